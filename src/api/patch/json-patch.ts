// RFC 6902 with the habits of evanphx/json-patch v4, which Kubernetes uses: negative indexes count
// from the end, "replace" of a key that an object lacks adds it, "add" needs no value (null).
import { isObject, type JsonObject, jsonEqual, put } from '../apply/atom.ts'
import { goTypeName } from '../apply/go-format.ts'
import { statusError } from '../machinery/status.ts'
import { doesNotApply, type Patched, patched, refused, undecodable } from './outcome.ts'

export const maxOperations = 10_000

/** What all copies of a patch may add, as JSON: they multiply what a small patch asks for. */
export const maxCopiedBytes = 3 * 1024 * 1024

interface Operation {
  readonly op: string
  readonly path: string | undefined
  readonly from: string | undefined
  readonly value: unknown
}

/** `patch` is the decoded body. The document is not changed. */
export function applyJsonPatch(document: JsonObject, patch: unknown): Patched {
  const operations = readOperations(patch)
  if (typeof operations === 'string') return undecodable(operations)
  if (operations.length > maxOperations) {
    const rule = `The allowed maximum operations in a JSON patch is ${maxOperations}`
    const message = `${rule}, got ${operations.length}`
    return refused(statusError('RequestEntityTooLarge', message))
  }
  let root: unknown = structuredClone(document)
  const copied: Copied = { bytes: 0 }
  for (const operation of operations) {
    const result = run(root, operation, copied)
    if (result === undefined) return doesNotApply()
    root = result.root
  }
  return isObject(root) ? patched(root) : doesNotApply()
}

const operationFields = new Set(['op', 'path', 'from', 'value'])

/** Fields no operation has, as strict field validation reports them. */
export const strictErrorsOf = (patch: unknown): string[] =>
  (Array.isArray(patch) ? patch : []).flatMap((item: unknown, at) =>
    Object.keys(isObject(item) ? item : {})
      .filter((key) => !operationFields.has(key))
      .map((key) => `json patch unknown field ${JSON.stringify(`[${at}].${key}`)}`),
  )

/** The operations, or encoding/json's complaint. */
function readOperations(patch: unknown): readonly Operation[] | string {
  if (patch === null) return []
  if (!Array.isArray(patch)) return mismatch(patch, '[]handlers.jsonPatchOp')
  const operations: Operation[] = []
  for (const item of patch as readonly unknown[]) {
    if (item !== null && !isObject(item)) return mismatch(item, 'handlers.jsonPatchOp')
    const { op, path, from, value } = item ?? {}
    for (const [name, text] of Object.entries({ op, path, from })) {
      if (text !== undefined && text !== null && typeof text !== 'string') {
        const what = `cannot unmarshal ${jsonTypeName(text)}`
        return `json: ${what} into Go struct field jsonPatchOp.${name} of type string`
      }
    }
    operations.push({
      op: typeof op === 'string' ? op : 'unknown',
      path: typeof path === 'string' ? path : undefined,
      from: typeof from === 'string' ? from : undefined,
      value: value === undefined ? null : value,
    })
  }
  return operations
}

const mismatch = (value: unknown, type: string): string =>
  `json: cannot unmarshal ${jsonTypeName(value)} into Go value of type ${type}`

/** As encoding/json names what it met. */
export function jsonTypeName(value: unknown): string {
  if (Array.isArray(value)) return 'array'
  if (isObject(value)) return 'object'
  const name = goTypeName(value)
  if (name === 'int64' || name === 'float64') return 'number'
  return name === '<nil>' ? 'null' : name
}

interface Copied {
  bytes: number
}

type Container = unknown[] | Record<string, unknown>

interface Place {
  readonly container: Container
  readonly key: string
}

const isContainer = (value: unknown): value is Container =>
  typeof value === 'object' && value !== null

/** The new root, or undefined when the operation does not apply. */
function run(
  root: unknown,
  { op, path, from, value }: Operation,
  copied: Copied,
): { root: unknown } | undefined {
  if (path === undefined || !isContainer(root)) return undefined
  if (path === '' && op === 'replace')
    return isContainer(value) ? { root: clone(value) } : undefined
  if (path === '' && op === 'test') return jsonEqual(root, value) ? { root } : undefined
  const at = find(root, path)
  if (op === 'move' || op === 'copy') {
    const counted = op === 'copy' ? copied : undefined
    return transfer(root, { path, from, copied: counted }) ? { root } : undefined
  }
  if (at === undefined) return undefined
  return apply(at, op, clone(value)) ? { root } : undefined
}

function apply(at: Place, op: string, value: unknown): boolean {
  switch (op) {
    case 'add':
      return add(at, value)
    case 'remove':
      return remove(at)
    case 'replace':
      return replace(at, value)
    case 'test':
      return test(at, value)
    default:
      return false
  }
}

interface Transfer {
  readonly path: string
  readonly from: string | undefined
  /** Absent: a move. */
  readonly copied: Copied | undefined
}

function transfer(root: Container, { path, from, copied }: Transfer): boolean {
  const source = from === undefined ? undefined : find(root, from)
  if (source === undefined) return false
  const found = get(source)
  if (found === undefined || !(copied ? mayCopy(found.value, copied) : remove(source))) return false
  // After a move's removal: the destination may have shifted, or be gone.
  const target = find(root, path)
  return target !== undefined && add(target, copied ? clone(found.value) : found.value)
}

/** Before the copy is made: the one that would be too much costs no more than its text. */
function mayCopy(value: unknown, copied: Copied): boolean {
  copied.bytes += Buffer.byteLength(JSON.stringify(value))
  return copied.bytes <= maxCopiedBytes
}

const clone = (value: unknown): unknown => (isContainer(value) ? structuredClone(value) : value)

function find(root: Container, path: string): Place | undefined {
  const parts = path.split('/').slice(1)
  const last = parts.pop()
  if (last === undefined) return undefined
  let container = root
  for (const part of parts) {
    const next = get({ container, key: unescape(part) })?.value
    if (!isContainer(next)) return undefined
    container = next
  }
  return { container, key: unescape(last) }
}

const unescape = (part: string): string =>
  part.replaceAll(/~[01]/g, (code) => (code === '~1' ? '/' : '~'))

/** Index in a list of this length, negative ones from the end; undefined outside. */
function indexOf(key: string, length: number): number | undefined {
  if (!/^[+-]?\d+$/.test(key)) return undefined
  const index = Number(key)
  const fromStart = index < 0 ? index + length : index
  return fromStart < 0 || fromStart >= length ? undefined : fromStart
}

/** A missing key of an object is there as null; a missing index is not there. */
function get({ container, key }: Place): { value: unknown } | undefined {
  if (!Array.isArray(container)) {
    return { value: Object.hasOwn(container, key) ? container[key] : null }
  }
  const index = indexOf(key, container.length)
  return index === undefined ? undefined : { value: container[index] }
}

function add({ container, key }: Place, value: unknown): boolean {
  if (!Array.isArray(container)) {
    put(container, key, value)
    return true
  }
  const index = key === '-' ? container.length : indexOf(key, container.length + 1)
  if (index === undefined) return false
  container.splice(index, 0, value)
  return true
}

function remove({ container, key }: Place): boolean {
  if (!Array.isArray(container)) return Object.hasOwn(container, key) && delete container[key]
  const index = indexOf(key, container.length)
  if (index === undefined) return false
  container.splice(index, 1)
  return true
}

function replace({ container, key }: Place, value: unknown): boolean {
  if (!Array.isArray(container)) {
    put(container, key, value)
    return true
  }
  const index = indexOf(key, container.length)
  if (index === undefined) return false
  container[index] = value
  return true
}

function test(at: Place, value: unknown): boolean {
  const found = get(at)
  return found !== undefined && jsonEqual(found.value, value)
}
