// Binding a Pod to a node: pods/NAME/binding, and the older collection of bindings.
import type { Draft } from '../../api/machinery/draft.ts'
import type { KubeObject } from '../../api/machinery/resource.ts'
import { badRequestError, conflictError } from '../../api/machinery/status.ts'
import { nodes, pods } from '../../api/resources.gen.ts'
import type { Binding, Pod } from '../../api/types/core.gen.ts'
import { formatTime } from '../../lib/clock.ts'
import { topologyLabelsOf } from '../admission/pod-topology-labels.ts'
import { plainError } from '../not-found.ts'
import type { ObjectRequest, RegistryDeps } from '../registry.ts'
import { writeOptions, writeScope } from '../registry.ts'
import type { SpecialHandler } from '../router.ts'
import { writtenOut } from '../tracking.ts'
import { updateObject } from '../update.ts'
import { created, kindAnswer, readKind } from './body.ts'

const type = { apiVersion: 'v1', kind: 'Binding' }
/** Errors name the path that was written through. */
const named = { group: '', plural: 'pods/binding' }

export function bindingHandler(deps: RegistryDeps): SpecialHandler {
  return async (request) => {
    const options = writeOptions('CreateOptions', request)
    const binding = await readKind<Binding>(request, type, options)
    const name = request.name === '' ? (binding.metadata?.name ?? '') : request.name
    if (binding.metadata?.name && binding.metadata.name !== name) {
      throw badRequestError('name in URL does not match name in Binding object')
    }
    refuseBadTarget(binding)
    const node = deps.admission.reader(nodes).get(binding.target.name ?? '')
    const placed = withLabels(binding, topologyLabelsOf(node))
    const served = deps.servedOf(pods)
    const target: ObjectRequest = { ...request, served, name, subresource: 'binding' }
    // The Pod's own rules of update hold for people, not for the scheduler.
    const scope = { ...writeScope(target, options), subresource: 'binding' }
    await updateObject(deps, scope, {
      direct: true,
      // Nobody comes to own what the scheduler decides.
      transform: (live) => writtenOut(served, bound(live as Pod, placed, deps.clock.now())),
    })
    return kindAnswer(request, 201, created)
  }
}

function refuseBadTarget({ target }: Binding): void {
  const kind = target?.kind ?? ''
  if (kind !== '' && kind !== 'Node') {
    throw plainError(
      `target.kind: Unsupported value: ${JSON.stringify(kind)}: supported values: "Node", "<empty>"`,
    )
  }
  if (!target?.name) throw plainError('target.name: Required value')
}

function bound(pod: Pod, binding: Binding, nowMs: number): KubeObject {
  const { name } = pod.metadata
  const refuse = (cause: string) => conflictError(named, name, cause)
  const { uid, resourceVersion } = binding.metadata ?? {}
  if (uid && uid !== pod.metadata.uid) {
    throw refuse(
      `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${pod.metadata.uid}`,
    )
  }
  if (resourceVersion && resourceVersion !== pod.metadata.resourceVersion) {
    throw refuse(
      `Precondition failed: ResourceVersion in precondition: ${resourceVersion}, ResourceVersion in object meta: ${pod.metadata.resourceVersion}`,
    )
  }
  if (pod.metadata.deletionTimestamp) {
    throw refuse(`pod ${name} is being deleted, cannot be assigned to a host`)
  }
  if (pod.spec.nodeName) {
    throw refuse(`pod ${name} is already assigned to node ${JSON.stringify(pod.spec.nodeName)}`)
  }
  if ((pod.spec.schedulingGates ?? []).length > 0) {
    throw refuse(`pod ${name} has non-empty .spec.schedulingGates`)
  }
  const metadata = {
    ...pod.metadata,
    ...merged('annotations', pod.metadata.annotations, binding.metadata?.annotations),
    ...merged('labels', pod.metadata.labels, binding.metadata?.labels),
  }
  const spec = { ...pod.spec, nodeName: binding.target.name }
  return { ...pod, metadata, spec, status: scheduled(pod.status, nowMs) } as KubeObject
}

const withLabels = (binding: Binding, labels: Readonly<Record<string, string>>): Binding => ({
  ...binding,
  metadata: { ...binding.metadata, labels: { ...binding.metadata?.labels, ...labels } },
})

type Pairs = Readonly<Record<string, string>> | undefined

function merged(field: 'annotations' | 'labels', own: Pairs, added: Pairs): object {
  return added && Object.keys(added).length > 0 ? { [field]: { ...own, ...added } } : {}
}

function scheduled(status: Pod['status'], nowMs: number): Draft<Pod['status']> {
  const others = (status?.conditions ?? []).filter(({ type }) => type !== 'PodScheduled')
  const condition = {
    type: 'PodScheduled',
    status: 'True',
    lastProbeTime: null,
    lastTransitionTime: formatTime(nowMs),
  }
  // Where it was to go says nothing once it is there.
  const { nominatedNodeName: _, ...rest } = status ?? {}
  return { ...rest, conditions: [...others, condition] } as unknown as Draft<Pod['status']>
}
