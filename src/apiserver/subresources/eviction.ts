// Eviction: a DELETE of a Pod that its disruption budget has to allow.
import { selectorFromLabelSelector } from '../../api/machinery/labels.ts'
import {
  badRequestError,
  notFoundError,
  StatusError,
  statusError,
} from '../../api/machinery/status.ts'
import { poddisruptionbudgets, pods } from '../../api/resources.gen.ts'
import type { Pod } from '../../api/types/core.gen.ts'
import type { DeleteOptions } from '../../api/types/meta.gen.ts'
import type { Eviction, PodDisruptionBudget } from '../../api/types/policy.gen.ts'
import { formatTime } from '../../lib/clock.ts'
import { deleteObject } from '../delete.ts'
import type { ObjectRequest, RegistryDeps } from '../registry.ts'
import { writeOptions, writeScope } from '../registry.ts'
import type { SpecialHandler } from '../router.ts'
import { track, trackingOf, writtenOut } from '../tracking.ts'
import { updateObject } from '../update.ts'
import type { WriteOptions } from '../write-options.ts'
import { ownManager } from '../writer.ts'
import { created, kindAnswer, readKind } from './body.ts'

const type = { apiVersion: 'policy/v1', kind: 'Eviction' }
const retryAfterSeconds = 10
/** More names than this mean that the controller does not keep up. */
const maxDisruptedPods = 2000

export function evictionHandler(deps: RegistryDeps): SpecialHandler {
  return async (request) => {
    const options = writeOptions('CreateOptions', request)
    const eviction = await readKind<Eviction>(request, type, options)
    if (eviction.metadata?.name !== request.name) {
      throw badRequestError('name in URL does not match name in Eviction object')
    }
    const deleteOptions = eviction.deleteOptions ?? {}
    const dryRun = options.dryRun || (deleteOptions.dryRun ?? []).length > 0
    const write = { ...options, dryRun }
    const pod = podOf(deps, request)
    if (!ignoresBudget(pod)) await takeBudget(deps, request, { pod, options: write })
    await evict(deps, request, { options: write, deleteOptions })
    return kindAnswer(request, 201, created)
  }
}

function podOf(deps: RegistryDeps, { namespace, name }: ObjectRequest): Pod {
  const entry = deps.servedOf(pods).cache.get(`${namespace}/${name}`)
  if (!entry) throw notFoundError(pods, name)
  return entry.object as Pod
}

/** Pods that do no work yet, or any more, are not what a budget counts. */
function ignoresBudget({ status, metadata }: Pod): boolean {
  const phase = status?.phase
  return (
    phase === 'Succeeded' ||
    phase === 'Failed' ||
    phase === 'Pending' ||
    metadata.deletionTimestamp !== undefined
  )
}

const isReady = ({ status }: Pod): boolean =>
  status?.conditions?.some(
    ({ type: name, status: value }) => name === 'Ready' && value === 'True',
  ) === true

interface Evicted {
  readonly pod: Pod
  readonly options: WriteOptions
}

async function takeBudget(
  deps: RegistryDeps,
  request: ObjectRequest,
  { pod, options }: Evicted,
): Promise<void> {
  const served = deps.servedOf(poddisruptionbudgets)
  const budgets = served.cache
    .list(request.namespace)
    .map((entry) => entry.object as PodDisruptionBudget)
    .filter(({ spec }) => selectorFromLabelSelector(spec?.selector).matches(pod.metadata.labels))
  if (budgets.length > 1) {
    throw statusError(
      'InternalError',
      'This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.',
    )
  }
  const [budget] = budgets
  if (!budget || (!isReady(pod) && allowsUnhealthy(budget))) return
  const { name } = budget.metadata
  const target: ObjectRequest = { ...request, served, name, subresource: 'status' }
  await updateObject(deps, writeScope(target, options), {
    direct: true,
    transform: (live) => {
      const next = writtenOut(
        served,
        spend(live as PodDisruptionBudget, pod.metadata.name, deps.clock.now()),
      )
      const writer = {
        manager: ownManager,
        subresource: 'status',
        nowMs: deps.clock.now(),
      }
      track(live, next, trackingOf(served, writer))
      return next
    },
  })
}

/** A Pod that is not ready is no loss: always, or as long as enough others are. */
function allowsUnhealthy({ spec, status }: PodDisruptionBudget): boolean {
  if (spec?.unhealthyPodEvictionPolicy === 'AlwaysAllow') return true
  const { currentHealthy = 0, desiredHealthy = 0 } = status ?? {}
  return currentHealthy >= desiredHealthy && desiredHealthy > 0
}

function spend(budget: PodDisruptionBudget, pod: string, nowMs: number): PodDisruptionBudget {
  const { metadata, status } = budget
  if ((status?.observedGeneration ?? 0) < (metadata.generation ?? 0)) {
    throw refused(
      `The disruption budget ${metadata.name} is still being processed by the server.`,
      retryAfterSeconds,
    )
  }
  const allowed = status?.disruptionsAllowed ?? 0
  if (allowed < 0) throw statusError('Forbidden', `pdb disruptions allowed is negative`)
  if (Object.keys(status?.disruptedPods ?? {}).length > maxDisruptedPods) {
    throw statusError(
      'Forbidden',
      'DisruptedPods map too big - too many evictions not confirmed by PDB controller',
    )
  }
  if (allowed === 0) {
    const { desiredHealthy = 0, currentHealthy = 0 } = status ?? {}
    throw refused(
      `The disruption budget ${metadata.name} needs ${desiredHealthy} healthy pods and has ${currentHealthy} currently`,
    )
  }
  const next = {
    ...status,
    disruptionsAllowed: allowed - 1,
    disruptedPods: { ...status?.disruptedPods, [pod]: formatTime(nowMs) },
    conditions: conditionsAfter(budget, allowed - 1, nowMs),
  }
  return { ...budget, status: next } as PodDisruptionBudget
}

function conditionsAfter(
  { metadata, status }: PodDisruptionBudget,
  left: number,
  nowMs: number,
): unknown[] {
  const name = 'DisruptionAllowed'
  const others = (status?.conditions ?? []).filter(({ type: one }) => one !== name)
  const before = status?.conditions?.find(({ type: one }) => one === name)
  const value = left > 0 ? 'True' : 'False'
  const since = before?.status === value ? before.lastTransitionTime : formatTime(nowMs)
  const condition = {
    type: name,
    status: value,
    observedGeneration: metadata.generation ?? 0,
    lastTransitionTime: since,
    reason: left > 0 ? 'SufficientPods' : 'InsufficientPods',
    message: '',
  }
  return [...others, condition]
}

function refused(cause: string, retryAfter?: number): StatusError {
  return statusError(
    'TooManyRequests',
    "Cannot evict pod as it would violate the pod's disruption budget.",
    {
      causes: [{ reason: 'DisruptionBudget', message: cause }],
      ...(retryAfter === undefined ? {} : { retryAfterSeconds: retryAfter }),
    },
  )
}

async function evict(
  deps: RegistryDeps,
  request: ObjectRequest,
  {
    options,
    deleteOptions,
  }: { readonly options: WriteOptions; readonly deleteOptions: DeleteOptions },
): Promise<void> {
  const target: ObjectRequest = { ...request, served: deps.servedOf(pods), subresource: '' }
  await deleteObject(deps, writeScope(target, options), deleteOptions)
}
