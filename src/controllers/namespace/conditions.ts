// What the status of a Namespace that is being emptied says, in upstream's words.
import type { NamespaceCondition } from '../../api/types/core.gen.ts'
import { formatTime } from '../../lib/clock.ts'

export interface Emptying {
  readonly discoveryFailures: readonly string[]
  readonly deletionFailures: readonly string[]
  /** "configmaps." or "deployments.apps" -> how many are left. */
  readonly remaining: ReadonlyMap<string, number>
  /** Finalizer -> in how many objects. */
  readonly finalizers: ReadonlyMap<string, number>
}

type Told = readonly [
  type: string,
  reason: string,
  message: string | undefined,
  otherwise: string,
  text: string,
]

/** The conditions as they should be; times move only with the status of a condition. */
export function emptyingConditions(
  existing: readonly NamespaceCondition[],
  emptying: Emptying,
  nowMs: number,
): readonly NamespaceCondition[] {
  const { discoveryFailures, deletionFailures, remaining, finalizers } = emptying
  const told: readonly Told[] = [
    [
      'NamespaceDeletionDiscoveryFailure',
      'DiscoveryFailed',
      discoveryFailures.length > 0
        ? `Discovery failed for some groups, ${discoveryFailures.length} failing: ${discoveryFailures.join(', ')}`
        : undefined,
      'ResourcesDiscovered',
      'All resources successfully discovered',
    ],
    [
      'NamespaceDeletionGroupVersionParsingFailure',
      'GroupVersionParsingFailed',
      undefined,
      'ParsedGroupVersions',
      'All legacy kube types successfully parsed',
    ],
    [
      'NamespaceDeletionContentFailure',
      'ContentDeletionFailed',
      deletionFailures.length > 0
        ? `Failed to delete all resource types, ${deletionFailures.length} remaining: ${deletionFailures.join(', ')}`
        : undefined,
      'ContentDeleted',
      'All content successfully deleted, may be waiting on finalization',
    ],
    [
      'NamespaceContentRemaining',
      'SomeResourcesRemain',
      listed('Some resources are remaining: ', remaining, 'has'),
      'ContentRemoved',
      'All content successfully removed',
    ],
    [
      'NamespaceFinalizersRemaining',
      'SomeFinalizersRemain',
      listed('Some content in the namespace has finalizers remaining: ', finalizers, 'in'),
      'ContentHasNoFinalizers',
      'All content-preserving finalizers finished',
    ],
  ]
  return told.reduce(
    (conditions, [type, reason, message, otherwise, text]) =>
      withCondition(conditions, {
        type,
        status: message === undefined ? 'False' : 'True',
        lastTransitionTime: formatTime(nowMs),
        reason: message === undefined ? otherwise : reason,
        message: message ?? text,
      }),
    existing,
  )
}

function listed(
  start: string,
  counts: ReadonlyMap<string, number>,
  verb: string,
): string | undefined {
  if (counts.size === 0) return undefined
  const items = [...counts]
    .map(([name, count]) => `${name} ${verb} ${count} resource instances`)
    .sort()
  return start + items.join(', ')
}

function withCondition(
  conditions: readonly NamespaceCondition[],
  wanted: NamespaceCondition,
): readonly NamespaceCondition[] {
  const old = conditions.find(({ type }) => type === wanted.type)
  if (!old) return [...conditions, wanted]
  const { lastTransitionTime } = old.status === wanted.status ? old : wanted
  return conditions.map((item) => (item === old ? { ...wanted, lastTransitionTime } : item))
}
