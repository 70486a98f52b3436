// The Namespace controller: empties a Namespace that is being deleted, Pods before all else, and
// lets it go when nothing is left.
import { type KubeObject, qualifiedResource, type Resource } from '../../api/machinery/resource.ts'
import { isReason } from '../../api/machinery/status.ts'
import { namespaces, pods } from '../../api/resources.gen.ts'
import type { Namespace, NamespaceStatus } from '../../api/types/core.gen.ts'
import type { Change, Controller, Live, Outcome } from '../../client/controller.ts'
import { watching } from '../../client/controller.ts'
import { semanticEqual } from '../../lib/equal.ts'
import { type Discovered, isDeletable } from '../discovery.ts'
import { type Emptying, emptyingConditions } from './conditions.ts'

const finalizer = 'kubernetes'
/** Requests at once while a Namespace is looked over. */
const parallel = 8
/** How long to wait for what has finalizers, or Pods that end without a word. */
const recheckMs = 8000

/** What a look into the Namespace found. */
export interface Contents {
  readonly found: readonly {
    readonly resource: Resource
    readonly objects: readonly KubeObject[]
  }[]
  readonly discoveryFailures: readonly string[]
  readonly listFailures: readonly string[]
}

export function namespaceController(options: {
  readonly discover: (live: Live) => Promise<Discovered>
  readonly workers: number
}): Controller {
  return {
    name: 'namespace',
    component: 'namespace-controller',
    workers: options.workers,
    watches: [
      watching({ resource: namespaces }),
      // The last Pod of a Namespace that ends is what its deletion waits for.
      watching({
        resource: pods,
        keys: ({ metadata: { namespace } }, _old, snapshot) => {
          const owner = namespace && snapshot.of(namespaces).get(namespace)
          return owner && isLeaving(owner) ? [namespace] : []
        },
      }),
    ],
    async observe(key, snapshot, live) {
      const namespace = snapshot.of(namespaces).get(key)
      return namespace && isLeaving(namespace)
        ? lookInto(key, { discovered: await options.discover(live), live })
        : undefined
    },
    reconcile(key, snapshot, context) {
      const namespace = snapshot.of(namespaces).get(key)
      if (!namespace || !isLeaving(namespace) || !context.observed) return { changes: [] }
      return emptyNamespace(namespace, context.observed as Contents, context.nowMs)
    },
  }
}

const isLeaving = ({ metadata, spec }: Namespace): boolean =>
  metadata.deletionTimestamp !== undefined && (spec?.finalizers ?? []).includes(finalizer)

/** Lists the Namespace's content, live: a copy that is behind could let it go too early. */
async function lookInto(
  namespace: string,
  { discovered, live }: { readonly discovered: Discovered; readonly live: Live },
): Promise<Contents> {
  const resources = discovered.resources.filter(isEmptied)
  const found: { resource: Resource; objects: readonly KubeObject[] }[] = []
  const listFailures: string[] = []
  const next = resources.values()
  const work = async () => {
    for (const resource of next) {
      try {
        const { items } = await live.client
          .resource(resource)
          .list({ namespace, signal: live.signal })
        if (items.length > 0) found.push({ resource, objects: items })
      } catch (error) {
        if (isReason(error, 'NotFound') || isReason(error, 'MethodNotAllowed')) continue
        listFailures.push(`${qualifiedResource(resource)}: ${String(error)}`)
      }
    }
  }
  await Promise.all(Array.from({ length: parallel }, work))
  return { found, listFailures, discoveryFailures: discovered.failures }
}

// Events are stored once and served in two groups.
const isEmptied = (resource: Resource): boolean =>
  resource.namespaced && isDeletable(resource) && resource.group !== 'events.k8s.io'

/** One round: deletes what is there, tells what stays, and finalizes when nothing is left. */
export function emptyNamespace(namespace: Namespace, contents: Contents, nowMs: number): Outcome {
  const podsLeft = contents.found.find(({ resource }) => isPods(resource))
  const failed = [...contents.discoveryFailures, ...contents.listFailures].length > 0
  if (contents.found.length === 0 && !failed) {
    return { changes: [...statusChange(namespace, contents, nowMs), finalize(namespace)] }
  }
  const round = podsLeft ? [podsLeft] : contents.found
  const deletions = round.flatMap(({ resource, objects }) =>
    deletionsOf(namespace, resource, objects),
  )
  // While Pods are left the rest is not looked at, and the status reads as if it were gone.
  const seen = podsLeft ? { ...contents, found: [] } : contents
  return {
    changes: [
      ...(deletions.length > 0 ? [deletions] : []),
      ...(deletions.length > 0 && !podsLeft ? [] : statusChange(namespace, seen, nowMs)),
    ],
    requeueAfterMs: deletions.length > 0 && !podsLeft ? 1 : recheckMs,
    failed: (failures) => {
      const deletionFailures = failures.map(({ error }) => String(error))
      return statusChange(namespace, { ...seen, listFailures: deletionFailures }, nowMs)
    },
    ...(failed ? { retry: `cannot look over namespace "${namespace.metadata.name}"` } : {}),
  }
}

const isPods = (resource: Resource): boolean =>
  resource.group === pods.group && resource.plural === pods.plural

/** Of all at once where the API can, else one by one; nothing for what is on its way already. */
function deletionsOf(
  namespace: Namespace,
  resource: Resource,
  objects: readonly KubeObject[],
): readonly Change[] {
  const staying = objects.filter(({ metadata }) => metadata.deletionTimestamp === undefined)
  if (staying.length === 0) return []
  const options = { propagationPolicy: 'Background' }
  const name = namespace.metadata.name
  if (resource.verbs.includes('deletecollection')) {
    return [{ type: 'deleteCollection', resource, namespace: name, options }]
  }
  return staying.map(({ metadata }) => ({
    type: 'delete',
    resource,
    key: { namespace: name, name: metadata.name },
    options,
  }))
}

function statusChange(namespace: Namespace, contents: Contents, nowMs: number): readonly Change[] {
  const conditions = emptyingConditions(
    namespace.status?.conditions ?? [],
    emptyingOf(contents),
    nowMs,
  )
  const status: NamespaceStatus = { ...namespace.status, phase: 'Terminating', conditions }
  if (semanticEqual(namespace.status, status)) return []
  const { name, uid } = namespace.metadata
  const body = { metadata: { uid }, status }
  return [
    {
      type: 'patch',
      resource: namespaces,
      key: { name },
      patch: { type: 'merge', body },
      subresource: 'status',
    },
  ]
}

function emptyingOf(contents: Contents): Emptying {
  const finalizers = new Map<string, number>()
  for (const { metadata } of contents.found.flatMap(({ objects }) => objects)) {
    for (const name of metadata.finalizers ?? []) {
      finalizers.set(name, (finalizers.get(name) ?? 0) + 1)
    }
  }
  return {
    discoveryFailures: contents.discoveryFailures,
    deletionFailures: contents.listFailures,
    remaining: new Map(
      contents.found.map(({ resource, objects }) => [
        `${resource.plural}.${resource.group}`,
        objects.length,
      ]),
    ),
    finalizers,
  }
}

function finalize(namespace: Namespace): Change {
  const { resourceVersion: _, ...metadata } = namespace.metadata
  const finalizers = (namespace.spec?.finalizers ?? []).filter((name) => name !== finalizer)
  return {
    type: 'update',
    resource: namespaces,
    object: { ...namespace, metadata, spec: { ...namespace.spec, finalizers } } as KubeObject,
    subresource: 'finalize',
  }
}
