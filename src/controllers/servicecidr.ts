// The ServiceCIDR controller: opens ranges that people add, and lets go of those that they delete
// once no address is left that only they contain.
import type { KubeObject } from '../api/machinery/resource.ts'
import { ipaddresses, servicecidrs } from '../api/resources.gen.ts'
import type { Condition } from '../api/types/meta.gen.ts'
import type { IPAddress, ServiceCIDR } from '../api/types/networking.gen.ts'
import type { Change, Controller, Outcome, Snapshot } from '../client/controller.ts'
import { watching } from '../client/controller.ts'
import { formatTime } from '../lib/clock.ts'
import { cidrContains, parseCidr, parseIp } from '../lib/ip.ts'

const finalizer = 'networking.k8s.io/service-cidr-finalizer'
/** Until then an API server that has not heard of the deletion may still give out an address. */
const graceMs = 10_000

export function serviceCIDRController(): Controller {
  return {
    name: 'servicecidr',
    component: 'service-cidr-controller',
    watches: [
      // A range that comes may hold the addresses that keep another one from going.
      watching({
        resource: servicecidrs,
        keys: ({ metadata }, _old, snapshot) => [metadata.name, ...leaving(snapshot)],
      }),
      watching({
        resource: ipaddresses,
        keys: ({ metadata }, _old, snapshot) =>
          snapshot.of(ipaddresses).get(metadata.name) ? [] : leaving(snapshot),
      }),
    ],
    reconcile(key, snapshot, { nowMs }) {
      const range = snapshot.of(servicecidrs).get(key)
      if (!range) return { changes: [] }
      return isLeaving(range) ? letGo(range, snapshot, nowMs) : open(range, nowMs)
    },
  }
}

const isLeaving = ({ metadata }: KubeObject): boolean => metadata.deletionTimestamp !== undefined

const leaving = (snapshot: Snapshot): readonly string[] =>
  snapshot
    .of(servicecidrs)
    .list()
    .filter(isLeaving)
    .map(({ metadata }) => metadata.name)

/** Kept from going before it is used. */
function open(range: ServiceCIDR, nowMs: number): Outcome {
  const { metadata } = range
  if (!metadata.finalizers?.includes(finalizer)) {
    const finalizers = [...(metadata.finalizers ?? []), finalizer]
    const object = { ...range, metadata: { ...metadata, finalizers } }
    return { changes: [{ type: 'update', resource: servicecidrs, object }] }
  }
  const told = { status: 'True', reason: '', message: 'Kubernetes Service CIDR is ready' } as const
  return { changes: conditionChange(range, told, nowMs) }
}

function letGo(range: ServiceCIDR, snapshot: Snapshot, nowMs: number): Outcome {
  const { metadata } = range
  if (!metadata.finalizers?.includes(finalizer)) return { changes: [] }
  const others = snapshot
    .of(servicecidrs)
    .list()
    .filter((other) => other.metadata.name !== metadata.name && !isLeaving(other))
  if (
    snapshot
      .of(ipaddresses)
      .list()
      .some((address) => needs(address, range, others))
  ) {
    const told = {
      status: 'False',
      reason: 'Terminating',
      message:
        'There are still IPAddresses referencing the ServiceCIDR, please remove them or create a new ServiceCIDR',
    } as const
    return { changes: conditionChange(range, told, nowMs) }
  }
  const waitMs = Date.parse(metadata.deletionTimestamp ?? '') + graceMs - nowMs
  if (waitMs > 0) return { changes: [], requeueAfterMs: waitMs }
  const finalizers = metadata.finalizers.filter((name) => name !== finalizer)
  const object = { ...range, metadata: { ...metadata, finalizers } }
  return { changes: [{ type: 'update', resource: servicecidrs, object }] }
}

const needs = (address: IPAddress, range: ServiceCIDR, others: readonly ServiceCIDR[]): boolean =>
  contains(range, address) && !others.some((other) => contains(other, address))

function contains({ spec }: ServiceCIDR, { metadata }: IPAddress): boolean {
  const ip = parseIp(metadata.name)
  return (spec?.cidrs ?? []).some((text) => {
    const cidr = parseCidr(text)
    return ip !== undefined && cidr !== undefined && cidrContains(cidr, ip)
  })
}

function conditionChange(
  range: ServiceCIDR,
  told: Pick<Condition, 'status' | 'reason' | 'message'>,
  nowMs: number,
): readonly Change[] {
  const conditions = range.status?.conditions ?? []
  const old = conditions.find(({ type }) => type === 'Ready')
  if (old?.status === told.status && (old.reason ?? '') === told.reason) return []
  const lastTransitionTime =
    old?.status === told.status ? old.lastTransitionTime : formatTime(nowMs)
  const ready = { type: 'Ready', ...told, lastTransitionTime }
  const status = { conditions: [...conditions.filter((each) => each !== old), ready] }
  const object = { ...range, status } as ServiceCIDR
  return [{ type: 'update', resource: servicecidrs, subresource: 'status', object }]
}
