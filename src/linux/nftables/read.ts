// The kernel's live table back into objects.
import { type NetlinkSocket } from '../netlink.ts'
import { attributeText, NetlinkWriter, parseAttributes } from '../netlink-message.ts'
import { familyNumbers } from './compile.ts'
import { partsOfConcatId } from './datatypes.ts'
import { decompileRule } from './decompile.ts'
import { type ElementRecord, parseElements } from './element-codec.ts'
import {
  generationHeader,
  hookNumbers,
  NFNL_SUBSYS_NFTABLES,
  NFT_MSG_GETCHAIN,
  NFT_MSG_GETRULE,
  NFT_MSG_GETSET,
  NFT_MSG_GETSETELEM,
  NFT_MSG_GETTABLE,
  NFT_SET_EVAL,
  NFT_SET_INTERVAL,
  NFT_SET_TIMEOUT,
  verdictTypeId,
} from './encode.ts'
import { parseInstructions } from './instructions.ts'
import type {
  BaseChain,
  Chain,
  Elements,
  Family,
  HookName,
  Rule,
  SetDeclaration,
  Table,
} from './objects.ts'

/** struct nfgenmsg before the attributes of every message. */
const headerLength = 4

export interface TableName {
  readonly family: Family
  readonly name: string
}

export function tableExists(socket: NetlinkSocket, table: TableName): boolean {
  return dump(socket, NFT_MSG_GETTABLE, { ...table, name: '' }).some(
    (attributes) => attributeText(attributes.get(1)) === table.name,
  )
}

/** The whole table, without the elements of dynamic sets; undefined when there is none. */
export function readTable(socket: NetlinkSocket, table: TableName): Table | undefined {
  if (!tableExists(socket, table)) return undefined
  const sets = readSets(socket, table)
  const elements = new Map<string, Elements>()
  for (const set of sets.values()) {
    if (set.dynamic) continue
    const records = readElements(socket, table, set)
    elements.set(set.name, new Map(records.map(({ key, value }) => [key, value])))
  }
  return { ...table, sets, chains: readChains(socket, table, sets), elements }
}

/** The elements of one set, counters included. */
export function readElements(
  socket: NetlinkSocket,
  table: TableName,
  set: SetDeclaration,
): ElementRecord[] {
  return dump(socket, NFT_MSG_GETSETELEM, { ...table, set: set.name }).flatMap((attributes) =>
    parseElements(set, attributes.get(3) ?? Buffer.alloc(0)),
  )
}

function dump(
  socket: NetlinkSocket,
  message: number,
  { family, name, set }: TableName & { readonly set?: string },
): Map<number, Buffer>[] {
  const writer = new NetlinkWriter(256)
  writer.raw(generationHeader(familyNumbers[family], 0))
  if (name !== '') writer.string(1, name)
  if (set !== undefined) writer.string(2, set)
  return socket
    .dump((NFNL_SUBSYS_NFTABLES << 8) | message, writer.bytes)
    .filter(({ payload }) => payload[0] === familyNumbers[family])
    .map(({ payload }) => parseAttributes(payload, headerLength))
}

function readSets(socket: NetlinkSocket, table: TableName): Map<string, SetDeclaration> {
  const sets = new Map<string, SetDeclaration>()
  for (const attributes of dump(socket, NFT_MSG_GETSET, table)) {
    if (attributeText(attributes.get(1)) !== table.name) continue
    const set = parseSet(attributes)
    sets.set(set.name, set)
  }
  return sets
}

function parseSet(attributes: Map<number, Buffer>): SetDeclaration {
  const number = (attribute: number) => attributes.get(attribute)?.readUInt32BE(0)
  const flags = number(3) ?? 0
  const valueId = number(6)
  const description = attributes.get(9)
  const size = description && parseAttributes(description).get(1)?.readUInt32BE(0)
  const timeoutMs = attributes.get(11)?.readBigUInt64BE(0)
  const expression = attributes.get(17)
  const counts = expression && attributeText(parseAttributes(expression).get(1)) === 'counter'
  return {
    name: attributeText(attributes.get(2)),
    key: partsOfConcatId(number(4) ?? 0) ?? [],
    ...(valueId === undefined
      ? {}
      : { value: valueId === verdictTypeId ? 'verdict' : (partsOfConcatId(valueId) ?? []) }),
    ...(flags & NFT_SET_INTERVAL ? { interval: true } : {}),
    ...(flags & NFT_SET_EVAL ? { dynamic: true } : {}),
    ...(flags & NFT_SET_TIMEOUT ? { timeoutSeconds: Number(timeoutMs ?? 0n) / 1000 } : {}),
    ...(size === undefined ? {} : { size }),
    ...(counts ? { counter: true } : {}),
  }
}

function readChains(
  socket: NetlinkSocket,
  table: TableName,
  sets: ReadonlyMap<string, SetDeclaration>,
): Map<string, Chain> {
  const rules = new Map<string, Rule[]>()
  const chains = new Map<string, Chain>()
  for (const attributes of dump(socket, NFT_MSG_GETCHAIN, table)) {
    if (attributeText(attributes.get(1)) !== table.name) continue
    const name = attributeText(attributes.get(3))
    const base = parseBase(attributes)
    rules.set(name, [])
    chains.set(name, { name, ...(base ? { base } : {}), rules: rules.get(name)! })
  }
  for (const attributes of dump(socket, NFT_MSG_GETRULE, table)) {
    const instructions = parseInstructions(attributes.get(4) ?? Buffer.alloc(0))
    const rule = instructions && decompileRule(instructions, sets)
    rules.get(attributeText(attributes.get(2)))?.push(rule ?? [{ type: 'unknown' }])
  }
  return chains
}

function parseBase(attributes: Map<number, Buffer>): BaseChain | undefined {
  const hook = attributes.get(4)
  if (!hook) return undefined
  const parts = parseAttributes(hook)
  const number = parts.get(1)?.readUInt32BE(0)
  const name = (Object.keys(hookNumbers) as HookName[]).find((key) => hookNumbers[key] === number)
  const type = attributeText(attributes.get(7))
  if (!name || (type !== 'filter' && type !== 'nat')) return undefined
  return { type, hook: name, priority: parts.get(2)?.readInt32BE(0) ?? 0 }
}
