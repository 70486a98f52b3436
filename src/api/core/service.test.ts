// Services beyond the recorded scripts: what an update keeps, drops and releases.
import { expect, test } from 'vitest'
import { seededRandom } from '../../lib/random.ts'
import type { Claims } from '../machinery/claims.ts'
import type { Draft } from '../machinery/draft.ts'
import type { HookContext, IPFamily } from '../machinery/kind.ts'
import type { Service, ServiceSpec } from '../types/core.gen.ts'
import { serviceKind } from './service.ts'

const contextOf = (serviceFamilies: readonly IPFamily[]): HookContext => ({
  clock: { now: () => 0 },
  random: seededRandom(1),
  facts: { serviceFamilies, nodePortRange: { from: 30000, to: 32767 } },
  subresource: '',
  dryRun: false,
  requestVersion: 'v1',
})

/** Notes every claim: "+10.96.0.9" taken, "-30100" released. */
function noting(): { readonly claims: Claims; readonly log: string[] } {
  const log: string[] = []
  let port = 30100
  const free = { IPv4: '10.96.1.1', IPv6: 'fd00:10:96::101' }
  const noted = <Value>(value: Value) => {
    log.push(`+${value}`)
    return { ok: true as const, value }
  }
  return {
    log,
    claims: {
      takeClusterIP: (family, wanted) => noted(wanted ?? free[family]),
      releaseClusterIP: (address) => void log.push(`-${address}`),
      takeNodePort: (wanted) => noted(wanted ?? port++),
      releaseNodePort: (number) => void log.push(`-${number}`),
    },
  }
}

interface Written {
  readonly spec: ServiceSpec
  readonly log: readonly string[]
  readonly errors: readonly string[]
}

function write(
  spec: object,
  old: Service | undefined,
  families: readonly IPFamily[] = ['IPv4'],
): Written {
  const context = contextOf(families)
  const service = structuredClone({ metadata: { name: 's' }, spec }) as unknown as Draft<Service>
  serviceKind.defaults!(service)
  if (old) serviceKind.prepareForUpdate!(service, old, context)
  else serviceKind.prepareForCreate!(service, context)
  const { claims, log } = noting()
  const outcome = serviceKind.claim!(service, old, claims, context)
  const claimErrors = 'serverError' in outcome ? [] : outcome
  const done = service as Service
  const found =
    claimErrors.length > 0
      ? claimErrors
      : old
        ? serviceKind.validateUpdate!(done, old, context)
        : serviceKind.validate!(done, context)
  return { spec: done.spec, log, errors: found.map(({ field, message }) => `${field}: ${message}`) }
}

const stored = (spec: object, families?: readonly IPFamily[]): Service =>
  ({ metadata: { name: 's' }, spec: write(spec, undefined, families).spec }) as Service

const http = { name: 'http', port: 80 }
const dns = { name: 'dns', port: 53, protocol: 'UDP' }

test('a create claims an address for each family and a node port for each number', () => {
  const ports = [{ ...dns }, { name: 'dns-tcp', port: 53, protocol: 'TCP' }, http]
  const { log, spec } = write(
    { type: 'NodePort', ports, ipFamilyPolicy: 'RequireDualStack' },
    undefined,
    ['IPv6', 'IPv4'],
  )
  expect(log).toEqual(['+fd00:10:96::101', '+10.96.1.1', '+30100', '+30101'])
  expect(spec.ports?.map(({ nodePort }) => nodePort)).toEqual([30100, 30100, 30101])
})

test('a PUT of the first manifest keeps addresses and node ports by name', () => {
  const old = stored({ type: 'NodePort', ports: [http, dns] })
  const { log, spec, errors } = write(
    { type: 'NodePort', ports: [dns, { ...http, port: 81 }] },
    old,
  )
  expect(errors).toEqual([])
  expect(log).toEqual([])
  expect(spec.clusterIP).toBe(old.spec.clusterIP)
  expect(spec.ports?.map(({ nodePort }) => nodePort)).toEqual([30101, 30100])
})

test('a renamed port keeps its node port by protocol and number', () => {
  const old = stored({ type: 'NodePort', ports: [http, dns] })
  const { spec } = write({ type: 'NodePort', ports: [{ ...http, name: 'web' }, dns] }, old)
  expect(spec.ports?.map(({ nodePort }) => nodePort)).toEqual([30100, 30101])
})

test('a port that goes gives its node port back', () => {
  const old = stored({ type: 'NodePort', ports: [http, dns] })
  expect(write({ type: 'NodePort', ports: [http] }, old).log).toEqual(['-30101'])
})

test('SingleStack trims and releases the second family of an untouched Service', () => {
  const both: readonly IPFamily[] = ['IPv4', 'IPv6']
  const old = stored({ ports: [http], ipFamilyPolicy: 'RequireDualStack' }, both)
  const { log, spec, errors } = write({ ...old.spec, ipFamilyPolicy: 'SingleStack' }, old, both)
  expect(errors).toEqual([])
  expect(log).toEqual(['-fd00:10:96::101'])
  expect(spec.ipFamilies).toEqual(['IPv4'])
})

test('to ExternalName everything is released and wiped, unless the client changed it', () => {
  const old = stored({ type: 'LoadBalancer', ports: [http], externalTrafficPolicy: 'Local' })
  const { log, spec, errors } = write(
    { ...old.spec, type: 'ExternalName', externalName: 'a.b' },
    old,
  )
  expect(errors).toEqual([])
  expect(log).toEqual(['-10.96.1.1', '-30100', '-30101'])
  expect(spec).toEqual({
    type: 'ExternalName',
    externalName: 'a.b',
    sessionAffinity: 'None',
    ports: [{ name: 'http', port: 80, protocol: 'TCP', targetPort: 80 }],
  })
  const changed = write(
    { ...old.spec, type: 'ExternalName', externalName: 'a.b', clusterIP: '10.96.1.2' },
    old,
  )
  expect(changed.errors).toEqual([
    'spec.clusterIPs: Forbidden: may not be set for ExternalName services',
  ])
})

test('PreferDualStack is left alone when the cluster gains a second family', () => {
  const old = stored({ ports: [http], ipFamilyPolicy: 'PreferDualStack' })
  const { log, spec } = write(old.spec, old, ['IPv4', 'IPv6'])
  expect(log).toEqual([])
  expect(spec.ipFamilies).toEqual(['IPv4'])
})

test('a deleted Service gives back all it held', () => {
  const old = stored({ type: 'LoadBalancer', ports: [http], externalTrafficPolicy: 'Local' })
  const { claims, log } = noting()
  serviceKind.claim!(undefined, old, claims, contextOf(['IPv4']))
  expect(log).toEqual(['-10.96.1.1', '-30100', '-30101'])
})
