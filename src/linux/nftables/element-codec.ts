// Elements of sets and maps: "10.96.0.10 . tcp . 80" -> "goto c-3" to attributes and back.
import type { NetlinkWriter } from '../netlink-message.ts'
import { attributeText, forEachAttribute, parseAttributes } from '../netlink-message.ts'
import { prefixMask } from './compile.ts'
import { concatLength, type DatatypeName, datatypes, paddedLength } from './datatypes.ts'
import { prefixOf } from './decompile.ts'
import { encodeData, encodeVerdict, parseData } from './instructions.ts'
import { concatSeparator, type SetDeclaration } from './objects.ts'

const NFTA_LIST_ELEM = 1
const NFTA_SET_ELEM_KEY = 1
const NFTA_SET_ELEM_DATA = 2
const NFTA_SET_ELEM_EXPR = 7
const NFTA_SET_ELEM_KEY_END = 10
const NFTA_EXPR_NAME = 1
const NFTA_EXPR_DATA = 2
const NFTA_COUNTER_PACKETS = 2

export interface ElementRecord {
  readonly key: string
  /** "" in a set. */
  readonly value: string
  /** Packets that found it, where the set counts. In nat chains: connections. */
  readonly packets: number | undefined
}

/** Writes one element of a set's element list. Without a value only the key, as a delete wants. */
export function encodeElement(
  writer: NetlinkWriter,
  set: SetDeclaration,
  element: { key: string; value?: string },
): void {
  const nest = writer.beginNest(NFTA_LIST_ELEM)
  const range = encodeKey(set, element.key)
  encodeData(writer, NFTA_SET_ELEM_KEY, range.from)
  if (set.interval) encodeData(writer, NFTA_SET_ELEM_KEY_END, range.to)
  if (element.value !== undefined && set.value === 'verdict')
    encodeVerdict(writer, NFTA_SET_ELEM_DATA, element.value)
  else if (element.value !== undefined && set.value !== undefined && set.value !== 'verdict')
    encodeData(writer, NFTA_SET_ELEM_DATA, encodeConcat(set.value, element.value))
  writer.endNest(nest)
}

/** One scratch for all keys: the writer copies it at once. */
const scratch = new Uint8Array(64)
const scratchEnd = new Uint8Array(64)

function encodeConcat(types: readonly DatatypeName[], text: string): Uint8Array {
  const length = concatLength(types)
  scratch.fill(0, 0, length)
  const parts = text.split(concatSeparator)
  if (parts.length !== types.length) throw new RangeError(`cannot encode element "${text}"`)
  let offset = 0
  for (const [index, type] of types.entries()) {
    datatypes[type].write(parts[index]!, scratch, offset)
    offset += paddedLength(type)
  }
  return scratch.subarray(0, length)
}

function encodeKey(set: SetDeclaration, text: string): { from: Uint8Array; to: Uint8Array } {
  if (!set.interval) {
    const from = encodeConcat(set.key, text)
    return { from, to: from }
  }
  const parts = text.split(concatSeparator)
  const from = encodeConcat(
    set.key,
    parts.map((part) => part.split('/', 1)[0]!).join(concatSeparator),
  )
  scratchEnd.set(from)
  let offset = 0
  for (const [index, type] of set.key.entries()) {
    const prefix = parts[index]!.split('/', 2)[1]
    if (prefix !== undefined) {
      const mask = prefixMask(Number(prefix), datatypes[type].length)
      for (const [at, byte] of mask.entries()) {
        from[offset + at]! &= byte
        scratchEnd[offset + at] = from[offset + at]! | (~byte & 0xff)
      }
    }
    offset += paddedLength(type)
  }
  return { from, to: scratchEnd.subarray(0, from.length) }
}

/** The elements in one message's element list. Those of types unknown to us get the key "?". */
export function parseElements(set: SetDeclaration, list: Buffer): ElementRecord[] {
  const records: ElementRecord[] = []
  forEachAttribute(list, (_, bytes) => records.push(parseElement(set, bytes)))
  return records
}

function parseElement(set: SetDeclaration, bytes: Buffer): ElementRecord {
  const attributes = parseAttributes(bytes)
  const key = parseDataOf(attributes.get(NFTA_SET_ELEM_KEY)).value
  const keyEnd = parseDataOf(attributes.get(NFTA_SET_ELEM_KEY_END)).value
  const data = parseDataOf(attributes.get(NFTA_SET_ELEM_DATA))
  const types = Array.isArray(set.value) ? (set.value as readonly DatatypeName[]) : []
  return {
    key: key ? decodeConcat(set.key, key, keyEnd) : '?',
    value: data.verdict ?? (data.value ? decodeConcat(types, data.value) : ''),
    packets: parseCounter(attributes.get(NFTA_SET_ELEM_EXPR)),
  }
}

function parseDataOf(bytes: Buffer | undefined): { verdict?: string; value?: Buffer } {
  return bytes ? parseData(bytes) : {}
}

function decodeConcat(types: readonly DatatypeName[], bytes: Buffer, end?: Buffer): string {
  if (types.length === 0 || bytes.length < concatLength(types)) return '?'
  let text = ''
  let offset = 0
  for (const type of types) {
    if (offset > 0) text += concatSeparator
    text += datatypes[type].read(bytes, offset)
    if (end) text += rangeSuffix(type, bytes.subarray(offset), end.subarray(offset))
    offset += paddedLength(type)
  }
  return text
}

/** "/8" for a range that is a prefix, "-10.0.0.9" for another, "" for a single value. */
function rangeSuffix(type: DatatypeName, from: Buffer, to: Buffer): string {
  const { length, read } = datatypes[type]
  const mask = Uint8Array.from({ length }, (_, index) => ~(from[index]! ^ to[index]!) & 0xff)
  const prefix = prefixOf(mask)
  if (prefix === undefined) return `-${read(to, 0)}`
  return prefix === length * 8 ? '' : `/${prefix}`
}

function parseCounter(bytes: Buffer | undefined): number | undefined {
  if (!bytes) return undefined
  const expression = parseAttributes(bytes)
  if (attributeText(expression.get(NFTA_EXPR_NAME)) !== 'counter') return undefined
  const data = expression.get(NFTA_EXPR_DATA)
  const packets = data && parseAttributes(data).get(NFTA_COUNTER_PACKETS)
  return packets && Number(packets.readBigUInt64BE(0))
}
