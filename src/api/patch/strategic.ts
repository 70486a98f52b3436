// Strategic merge patch: like a merge patch, but lists of named items merge by their key, and
// directives ($patch, $retainKeys, $setElementOrder/x, $deleteFromPrimitiveList/x) say the rest.
// How a field merges is a fact of the schema table. Errors are upstream's, the accidental 500s too.
import { isObject, type JsonObject, put } from '../apply/atom.ts'
import { formatGo, goTypeName } from '../apply/go-format.ts'
import { badRequestError } from '../machinery/status.ts'
import { type FieldFacts, factsOf } from './facts.ts'
import { jsonTypeName } from './json-patch.ts'
import { doesNotApply, type Patched, patched, refused, undecodable, unforeseen } from './outcome.ts'
import {
  asMap,
  badArgType,
  checkAgainstOrder,
  type JsonMap,
  noMergeKey,
  orderItems,
  StrategicError,
} from './strategic-order.ts'

const orderPrefix = '$setElementOrder'
const deletePrefix = '$deleteFromPrimitiveList'

/** `patch` is the decoded body, `struct` the kind's name in the schema table. */
export function applyStrategicPatch(document: JsonObject, patch: unknown, struct: string): Patched {
  if (!isObject(patch)) {
    if (patch === null) return patched(document)
    const type = 'map[string]interface {}'
    return undecodable(
      `json: cannot unmarshal ${jsonTypeName(patch)} into Go value of type ${type}`,
    )
  }
  try {
    return patched(mergeMap(structuredClone(document) as JsonMap, structuredClone(patch), struct))
  } catch (error) {
    if (!(error instanceof StrategicError)) throw error
    if (error.code === 'bad-request') return refused(badRequestError(error.message))
    return error.code === 'does-not-apply' ? doesNotApply() : unforeseen(error.message)
  }
}

/** How a field of a type merges. `type` is the field's own, or that of a list's items. */
interface Meta {
  readonly type: string
  readonly strategy: string
  readonly mergeKey: string
}

function metaOf(type: string, key: string): Meta {
  if (type.startsWith('map[')) {
    return { type: type.slice(type.indexOf(']') + 1), strategy: '', mergeKey: '' }
  }
  const field: FieldFacts | undefined = factsOf(type)?.fields.get(key)
  if (field === undefined) {
    const where = `struct ${goName(type)} for the json field ${JSON.stringify(key)}`
    throw new StrategicError('unforeseen', `unable to find api field in ${where}`)
  }
  const strategy = field.patchStrategies.find((name) => name !== 'retainKeys') ?? ''
  return { type: field.type, strategy, mergeKey: field.patchMergeKey }
}

const goName = (type: string): string => type.slice(type.lastIndexOf('.') + 1)

const itemsOf = (meta: Meta): Meta =>
  meta.type.startsWith('[]') ? { ...meta, type: meta.type.slice(2) } : meta

function mergeMap(original: JsonMap, patch: JsonMap, type: string): JsonMap {
  if (Object.hasOwn(patch, '$patch')) return directed(patch)
  retainKeys(original, patch)
  mergeOrdered(original, patch, type)
  for (const entry of Object.entries(patch)) mergeField(original, entry, type)
  return original
}

/** "$patch": "replace" takes the patch as it is, "delete" leaves nothing. */
function directed(patch: JsonMap): JsonMap {
  const { $patch: directive, ...rest } = patch
  if (directive === 'replace') return rest
  if (directive === 'delete') return {}
  throw badPatchType(directive, patch)
}

const badPatchType = (directive: unknown, map: JsonMap): StrategicError =>
  new StrategicError(
    'unforeseen',
    `unknown patch type: ${formatGo(directive)} in map: ${formatGo(map)}`,
  )

/** "$retainKeys" lists the only fields that may stay; the patch may set no others. */
function retainKeys(original: JsonMap, patch: JsonMap): void {
  if (!Object.hasOwn(patch, '$retainKeys')) return
  const keys = patch.$retainKeys
  delete patch.$retainKeys
  const malformed = new StrategicError('bad-request', 'invalid patch format of retainKeys')
  if (!Array.isArray(keys)) throw malformed
  const kept = new Set<unknown>(keys)
  for (const [key, value] of Object.entries(patch)) {
    const isDirective = key.startsWith(deletePrefix) || key.startsWith(orderPrefix)
    if (value !== null && !isDirective && !kept.has(key)) throw malformed
  }
  for (const key of Object.keys(original)) if (!kept.has(key)) delete original[key]
}

/** Lists with an order directive are merged here, and taken out of the patch. */
function mergeOrdered(original: JsonMap, patch: JsonMap, type: string): void {
  for (const directive of Object.keys(patch)) {
    if (!directive.startsWith(orderPrefix)) continue
    const order = asList(patch[directive])
    delete patch[directive]
    const key = keyOf(directive, orderPrefix)
    const hasOriginal = Object.hasOwn(original, key)
    const hasPatch = Object.hasOwn(patch, key)
    const live = hasOriginal ? asList(original[key]) : []
    const list = hasPatch ? asList(patch[key]) : []
    const meta = itemsOf(metaOf(type, key))
    checkAgainstOrder(list, order, meta.mergeKey)
    if (!hasOriginal && !hasPatch) continue
    const merged =
      hasOriginal && hasPatch
        ? mergeList(live, list, { ...meta, deletes: false })
        : hasPatch
          ? (withoutDirectives(list) as unknown[])
          : live
    checkElements(live, list)
    original[key] = orderItems(merged, { order, live, mergeKey: meta.mergeKey })
    delete patch[key]
  }
}

function asList(value: unknown): unknown[] {
  if (!Array.isArray(value)) throw badArgType('[]interface {}', value)
  return value
}

function keyOf(directive: string, prefix: string): string {
  const slash = directive.indexOf('/')
  if (slash === prefix.length) return directive.slice(slash + 1)
  const what = prefix === orderPrefix ? 'setElementOrder' : 'primitive'
  throw new StrategicError('bad-request', `invalid patch format of ${what} list`)
}

function mergeField(
  original: JsonMap,
  [name, value]: readonly [string, unknown],
  type: string,
): void {
  const deletes = name.startsWith(deletePrefix)
  const key = deletes ? keyOf(name, deletePrefix) : name
  if (value === null) {
    delete original[key]
    return
  }
  const had = Object.hasOwn(original, key) ? original[key] : undefined
  if (isObject(had) && isObject(value)) {
    const meta = metaOf(type, key)
    put(
      original,
      key,
      meta.strategy === 'replace' ? value : mergeMap(had as JsonMap, value, meta.type),
    )
  } else if (Array.isArray(had) && Array.isArray(value)) {
    put(original, key, mergeList(had, value, { ...itemsOf(metaOf(type, key)), deletes }))
  } else if (!deletes) {
    // Only below what is new are nulls dropped: what is there could have been meant to go.
    const fresh = withoutDirectives(isComparable(had, value) ? value : withoutNulls(value))
    if (fresh === undefined) delete original[key]
    else put(original, key, fresh)
  }
}

const isComparable = (had: unknown, value: unknown): boolean =>
  had !== undefined && goTypeName(had) === goTypeName(value)

function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls)
  if (!isObject(value)) return value
  const result: JsonMap = {}
  for (const [key, item] of Object.entries(value)) {
    if (item !== null) put(result, key, withoutNulls(item))
  }
  return result
}

/** undefined for a map that is itself a directive. */
function withoutDirectives(value: unknown): unknown {
  if (Array.isArray(value)) {
    return value.map(withoutDirectives).filter((item) => item !== undefined)
  }
  if (!isObject(value)) return value
  if (Object.hasOwn(value, '$patch')) return undefined
  const result: JsonMap = {}
  for (const [key, item] of Object.entries(value)) {
    const kept = withoutDirectives(item)
    if (kept !== undefined) put(result, key, kept)
  }
  return result
}

function mergeList(
  live: unknown[],
  patch: unknown[],
  { deletes, ...meta }: Meta & { readonly deletes: boolean },
): unknown[] {
  // Deletions are the same whatever the strategy.
  if (meta.strategy !== 'merge' && !deletes) return patch
  if (live.length === 0 && patch.length === 0) return live
  checkElements(live, patch)
  const isMaps = isObject(live[0] ?? patch[0])
  if (!isMaps) {
    if (deletes) return live.filter((item) => !patch.includes(item))
    const both = [...new Set([...live, ...patch])]
    return orderItems(both, { order: patch, live, mergeKey: '' })
  }
  if (meta.mergeKey === '') {
    const kind = factsOf(meta.type) ? 'struct' : 'map'
    throw new StrategicError('unforeseen', `cannot merge lists without merge key for ${kind}`)
  }
  const { base, items } = takeDirectives(live, patch, meta.mergeKey)
  const merged = [...base]
  for (const item of items) mergeItem(merged, item as JsonMap, meta)
  return orderItems(merged, { order: items, live: base, mergeKey: meta.mergeKey })
}

function mergeItem(merged: unknown[], item: JsonMap, meta: Meta): void {
  if (!Object.hasOwn(item, meta.mergeKey)) throw noMergeKey(item, meta.mergeKey)
  const at = merged.findIndex((had) => asMap(had)[meta.mergeKey] === item[meta.mergeKey])
  if (at === -1) merged.push(item)
  else merged[at] = mergeMap(asMap(merged[at]), item, meta.type)
}

/** Carries out $patch of single items; what is left merges. */
function takeDirectives(
  live: unknown[],
  patch: readonly unknown[],
  mergeKey: string,
): { base: unknown[]; items: unknown[] } {
  let base = live
  const items: unknown[] = []
  let replaces = false
  for (const item of patch) {
    const map = asMap(item)
    if (!Object.hasOwn(map, '$patch')) {
      items.push(map)
    } else if (map.$patch === 'delete') {
      if (!Object.hasOwn(map, mergeKey)) throw noMergeKey(map, mergeKey)
      base = base.filter((had) => asMap(had)[mergeKey] !== map[mergeKey])
    } else if (map.$patch === 'replace') {
      replaces = true
    } else if (map.$patch === 'merge') {
      const message = 'merging lists cannot yet be specified in the patch'
      throw new StrategicError('unforeseen', message)
    } else throw badPatchType(map.$patch, map)
  }
  return replaces ? { base: items, items: [] } : { base, items }
}

/** All items of both lists must be of one type, and no list. */
function checkElements(live: readonly unknown[], patch: readonly unknown[]): void {
  let type: string | undefined
  for (const item of [...live, ...patch]) {
    if (Array.isArray(item)) {
      throw new StrategicError('does-not-apply', 'lists of lists are not supported')
    }
    type ??= goTypeName(item)
    if (type === goTypeName(item)) continue
    const lists = formatGo([live, patch])
    throw new StrategicError('unforeseen', `list element types are not identical: ${lists}`)
  }
  if (type === undefined) {
    throw new StrategicError('unforeseen', 'no elements in any of the given slices')
  }
}
