// Where the groups stand in discovery: the priorities of their APIService objects.

export interface GroupPriority {
  readonly groupPriorityMinimum: number
  /** The versions of the group, in the order of preference. */
  readonly versionPriority: Readonly<Record<string, number>>
}

const priority = (
  groupPriorityMinimum: number,
  versionPriority: Readonly<Record<string, number>> = { v1: 15 },
): GroupPriority => ({ groupPriorityMinimum, versionPriority })

/** Every group that has APIService objects from the start. */
export const groupPriorities: Readonly<Record<string, GroupPriority>> = {
  '': priority(18000, { v1: 1 }),
  apps: priority(17800),
  'events.k8s.io': priority(17750),
  'authentication.k8s.io': priority(17700),
  'authorization.k8s.io': priority(17600),
  autoscaling: priority(17500, { v1: 15, v2: 30 }),
  batch: priority(17400),
  'certificates.k8s.io': priority(17300),
  'networking.k8s.io': priority(17200),
  policy: priority(17100),
  'rbac.authorization.k8s.io': priority(17000),
  'storage.k8s.io': priority(16800),
  'admissionregistration.k8s.io': priority(16700),
  'apiextensions.k8s.io': priority(16700),
  'scheduling.k8s.io': priority(16600),
  'coordination.k8s.io': priority(16500),
  'node.k8s.io': priority(16300),
  'discovery.k8s.io': priority(16200),
  'resource.k8s.io': priority(16200, { v1: 21 }),
  'flowcontrol.apiserver.k8s.io': priority(16100, { v1: 21 }),
}

/** What CustomResourceDefinitions get. */
const customGroupPriority = 1000
const customVersionPriority = 100

/** The group of APIServices has none itself, and comes before all others. */
const aggregatorGroup = 'apiregistration.k8s.io'

export function groupPriorityOf(group: string): number {
  if (group === aggregatorGroup) return Number.POSITIVE_INFINITY
  return groupPriorities[group]?.groupPriorityMinimum ?? customGroupPriority
}

export const versionPriorityOf = (group: string, version: string): number =>
  groupPriorities[group]?.versionPriority[version] ?? customVersionPriority

/** Stable before beta before alpha, higher numbers first, anything else last by its text. */
export function compareVersions(one: string, other: string): number {
  const left = versionRank(one)
  const right = versionRank(other)
  for (const [index, value] of left.entries()) {
    if (value !== right[index]) return right[index]! - value
  }
  return one < other ? -1 : one > other ? 1 : 0
}

function versionRank(version: string): readonly number[] {
  const match = /^v([1-9]\d*)(?:(alpha|beta)([1-9]\d*))?$/.exec(version)
  if (!match) return [0, 0, 0]
  const stage = match[2] === undefined ? 3 : match[2] === 'beta' ? 2 : 1
  return [stage, Number(match[1]), Number(match[3] ?? 0)]
}
