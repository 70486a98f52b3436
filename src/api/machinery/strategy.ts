// The steps that every write shares, around the hooks of its Kind (kind.ts): what is cleared on
// create, what an update or a subresource write may not touch, and when generation grows.
import type { Draft } from './draft.ts'
import { draftOf } from './draft.ts'
import type { FieldError } from './field-error.ts'
import type { HookContext, Kind, SubresourceStrategy, UpdateStrategy } from './kind.ts'
import type { KubeObject } from './resource.ts'
import { sameValue } from './validation.ts'

type Fields = Record<string, unknown>

/** Whether a kind's status is written through its own subresource only. */
function hasStatus(kind: Kind): boolean {
  return kind.resource.subresources.some((subresource) => subresource.name === 'status')
}

/** Before validation of a create: no status, generation 1, then the kind's own preparation. */
export function prepareCreate(kind: Kind, object: Draft<KubeObject>, context: HookContext): void {
  if (hasStatus(kind) && !kind.keepsStatusOnCreate) delete (object as Fields).status
  if (kind.generation) object.metadata.generation = 1
  kind.prepareForCreate?.(object, context)
}

/** Before validation of an update; `context.subresource` says through what it came. */
export function prepareUpdate(
  kind: Kind,
  object: Draft<KubeObject>,
  ...[old, context]: readonly [old: KubeObject, context: HookContext]
): void {
  const { subresource } = context
  if (subresource === '') {
    if (hasStatus(kind)) restoreField(object, old, 'status')
  } else restoreOthers(object, old, kind.subresources?.[subresource])
  // Nobody sets generation but this line and the last.
  if (old.metadata.generation === undefined) delete object.metadata.generation
  else object.metadata.generation = old.metadata.generation
  updateStrategy(kind, subresource)?.prepareForUpdate?.(object, old, context)
  if (kind.generation && subresource !== 'status' && changed(kind, object, old)) {
    object.metadata.generation = (old.metadata.generation ?? 0) + 1
  }
}

/** The hooks of an update of the object ("") or through a subresource. */
export function updateStrategy(kind: Kind, subresource: string): UpdateStrategy | undefined {
  return subresource === '' ? kind : kind.subresources?.[subresource]
}

/** What the kind says of a new object; metadata has its own rules (object-meta.ts). */
export function validateCreate(
  kind: Kind,
  object: KubeObject,
  context: HookContext,
): readonly FieldError[] {
  return kind.validate?.(object, context) ?? []
}

/** What the kind says of a change. `validateUpdate` includes what holds for every object. */
export function validateUpdate(
  kind: Kind,
  update: { readonly object: KubeObject; readonly old: KubeObject },
  context: HookContext,
): readonly FieldError[] {
  const strategy = updateStrategy(kind, context.subresource)
  if (strategy?.validateUpdate) return strategy.validateUpdate(update.object, update.old, context)
  return context.subresource === '' ? validateCreate(kind, update.object, context) : []
}

/** Warnings for the answer of a write. */
export function warningsOf(
  kind: Kind,
  write: { readonly object: KubeObject; readonly old?: KubeObject | undefined },
  context: HookContext,
): readonly string[] {
  const own = updateStrategy(kind, context.subresource)?.warnings?.(write.object, write.old) ?? []
  return kind.deprecation === undefined ? own : [kind.deprecation, ...own]
}

/** Everything a subresource does not write comes from the stored object. */
function restoreOthers(
  object: Draft<KubeObject>,
  old: KubeObject,
  strategy: SubresourceStrategy | undefined,
): void {
  const writes = strategy?.writes ?? ['status']
  const tops = new Set([...Object.keys(object), ...Object.keys(old)])
  for (const top of ['apiVersion', 'kind', 'metadata', ...writes]) tops.delete(top)
  for (const top of tops) {
    const nested = writes.filter((path) => path.startsWith(`${top}.`))
    if (nested.length === 0) restoreField(object, old, top)
    else restoreAround(object, old, { top, keep: nested.map((path) => path.slice(top.length + 1)) })
  }
  if (strategy?.keepsMetadata) restoreMetadata(object, old)
}

/** Restores a top-level field but for some of the fields in it. */
function restoreAround(
  object: Draft<KubeObject>,
  old: KubeObject,
  part: { readonly top: string; readonly keep: readonly string[] },
): void {
  const sent = ((object as Fields)[part.top] ?? {}) as Fields
  restoreField(object, old, part.top)
  const restored = ((object as Fields)[part.top] ?? {}) as Fields
  for (const name of part.keep) {
    if (sent[name] === undefined) delete restored[name]
    else restored[name] = sent[name]
  }
  ;(object as Fields)[part.top] = restored
}

function restoreField(object: Draft<KubeObject>, old: KubeObject, name: string): void {
  const before = (old as unknown as Fields)[name]
  if (before === undefined) delete (object as Fields)[name]
  else (object as Fields)[name] = draftOf(before)
}

/** As metav1.ResetObjectMetaForStatus: a status write changes no metadata but managedFields. */
function restoreMetadata(object: Draft<KubeObject>, old: KubeObject): void {
  const { managedFields, resourceVersion } = object.metadata
  object.metadata = draftOf(old.metadata)
  if (managedFields === undefined) delete object.metadata.managedFields
  else object.metadata.managedFields = managedFields
  if (resourceVersion !== undefined) object.metadata.resourceVersion = resourceVersion
}

function changed(kind: Kind, object: Draft<KubeObject>, old: KubeObject): boolean {
  if (kind.isChange) return kind.isChange(object as KubeObject, old)
  return !sameValue(withoutMetaAndStatus(object), withoutMetaAndStatus(old))
}

function withoutMetaAndStatus(object: unknown): Fields {
  const { apiVersion: _, kind: __, metadata: ___, status: ____, ...rest } = object as Fields
  return rest
}
