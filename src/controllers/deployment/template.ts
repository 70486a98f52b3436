// Pod templates of a Deployment: when two are the same, and the hash that names a ReplicaSet.
import type { ReplicaSet } from '../../api/types/apps.gen.ts'
import type { PodTemplateSpec } from '../../api/types/core.gen.ts'
import { semanticEqual } from '../../lib/equal.ts'

export const hashLabel = 'pod-template-hash'

/** Equal but for the hash label. */
export const sameTemplate = (
  one: PodTemplateSpec | undefined,
  other: PodTemplateSpec | undefined,
): boolean => semanticEqual(withoutHash(one), withoutHash(other))

function withoutHash(template: PodTemplateSpec | undefined): PodTemplateSpec | undefined {
  if (!template?.metadata?.labels?.[hashLabel]) return template
  const { [hashLabel]: _, ...labels } = template.metadata.labels
  return { ...template, metadata: { ...template.metadata, labels } }
}

/** Names the ReplicaSet of a template; collisionCount leads past a name that is taken. */
export function templateHash(
  template: PodTemplateSpec,
  collisionCount: number | undefined,
): string {
  const text = canonicalJson(template) + (collisionCount === undefined ? '' : `#${collisionCount}`)
  return safeText(String(fnv1a(text)))
}

const alphabet = 'bcdfghjklmnpqrstvwxz2456789'

/** As upstream makes a number harmless in names: digit by digit into the name alphabet. */
const safeText = (text: string): string =>
  Array.from(text, (char) => alphabet[char.charCodeAt(0) % alphabet.length]).join('')

/** 32-bit FNV-1a of the UTF-8 bytes. */
function fnv1a(text: string): number {
  let hash = 0x811c9dc5
  for (const byte of new TextEncoder().encode(text)) hash = Math.imul(hash ^ byte, 0x01000193)
  return hash >>> 0
}

/** Keys sorted, absent and empty values left out, so that the order of fields makes no hash. */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join()}]`
  if (value === null || typeof value !== 'object') return JSON.stringify(value ?? null)
  const fields = Object.entries(value)
    .filter(([, item]) => !semanticEqual(item, undefined))
    .sort(([one], [other]) => (one < other ? -1 : 1))
  return `{${fields.map(([key, item]) => `${JSON.stringify(key)}:${canonicalJson(item)}`).join()}}`
}

/** The ReplicaSet that runs the template: the oldest, should there be several. */
export function findNew(
  template: PodTemplateSpec,
  sets: readonly ReplicaSet[],
): ReplicaSet | undefined {
  return oldestFirst(sets).find((set) => sameTemplate(set.spec.template, template))
}

export const oldestFirst = (sets: readonly ReplicaSet[]): readonly ReplicaSet[] =>
  [...sets].sort((one, other) => compareAge(one, other) || compareNames(one, other))

export const newestFirst = (sets: readonly ReplicaSet[]): readonly ReplicaSet[] =>
  [...sets].sort((one, other) => compareAge(other, one) || compareNames(one, other))

const compareAge = (one: ReplicaSet, other: ReplicaSet): number => created(one) - created(other)

const created = ({ metadata }: ReplicaSet): number =>
  Date.parse(metadata.creationTimestamp ?? '') || 0

export const compareNames = (one: ReplicaSet, other: ReplicaSet): number =>
  one.metadata.name < other.metadata.name ? -1 : 1
