// The register machine of nf_tables: its instructions as data, and their attributes as bytes.
// One table says, per instruction, which attribute holds what; encoder and parser both read it.
import {
  attributeText,
  forEachAttribute,
  type NetlinkWriter,
  parseAttributes,
} from '../netlink-message.ts'

/** Registers are counted in 4-byte words from 0; `verdictRegister` is the one that ends a rule. */
export interface Instruction {
  readonly name: InstructionName
  readonly values: Readonly<Record<string, number | string | Uint8Array>>
}

export type InstructionName = keyof typeof layouts

export const verdictRegister = -1

type Kind = 'register' | 'u8' | 'u32' | 'u64' | 'text' | 'data' | 'verdict'
type Layout = Readonly<Record<string, readonly [attribute: number, kind: Kind]>>

/** Attribute numbers of linux/netfilter/nf_tables.h. */
const layouts = {
  payload: {
    dreg: [1, 'register'],
    base: [2, 'u32'],
    offset: [3, 'u32'],
    length: [4, 'u32'],
  },
  meta: { dreg: [1, 'register'], key: [2, 'u32'], sreg: [3, 'register'] },
  ct: { dreg: [1, 'register'], key: [2, 'u32'], direction: [3, 'u8'] },
  fib: { dreg: [1, 'register'], result: [2, 'u32'], flags: [3, 'u32'] },
  numgen: {
    dreg: [1, 'register'],
    modulus: [2, 'u32'],
    kind: [3, 'u32'],
    offset: [4, 'u32'],
  },
  bitwise: {
    sreg: [1, 'register'],
    dreg: [2, 'register'],
    length: [3, 'u32'],
    mask: [4, 'data'],
    xor: [5, 'data'],
  },
  cmp: { sreg: [1, 'register'], op: [2, 'u32'], data: [3, 'data'] },
  lookup: {
    set: [1, 'text'],
    sreg: [2, 'register'],
    dreg: [3, 'register'],
    flags: [5, 'u32'],
  },
  immediate: { dreg: [1, 'register'], verdict: [2, 'verdict'] },
  nat: {
    kind: [1, 'u32'],
    family: [2, 'u32'],
    addrMin: [3, 'register'],
    addrMax: [4, 'register'],
    protoMin: [5, 'register'],
    protoMax: [6, 'register'],
    flags: [7, 'u32'],
  },
  masq: { flags: [1, 'u32'] },
  reject: { kind: [1, 'u32'], code: [2, 'u8'] },
  dynset: {
    set: [1, 'text'],
    op: [3, 'u32'],
    keyReg: [4, 'register'],
    dataReg: [5, 'register'],
    timeoutMs: [6, 'u64'],
  },
} as const satisfies Readonly<Record<string, Layout>>

const NFTA_LIST_ELEM = 1
const NFTA_EXPR_NAME = 1
const NFTA_EXPR_DATA = 2
const NFTA_DATA_VALUE = 1
const NFTA_DATA_VERDICT = 2
const NFTA_VERDICT_CODE = 1
const NFTA_VERDICT_CHAIN = 2
/** NFT_REG32_00: the first 4-byte register; 1 to 4 are the same space in 16-byte steps. */
const firstWordRegister = 8

const verdictCodes: Readonly<Record<string, number>> = {
  accept: 1,
  drop: 0,
  return: -5,
  goto: -4,
  jump: -3,
}
const verdictNames = new Map(Object.entries(verdictCodes).map(([name, code]) => [code, name]))

/** Writes one instruction as an element of a rule's expression list. */
export function encodeInstruction(writer: NetlinkWriter, instruction: Instruction): void {
  const layout: Layout = layouts[instruction.name]
  const element = writer.beginNest(NFTA_LIST_ELEM)
  writer.string(NFTA_EXPR_NAME, instruction.name)
  const data = writer.beginNest(NFTA_EXPR_DATA)
  for (const [key, [attribute, kind]] of Object.entries(layout)) {
    const value = instruction.values[key]
    if (value !== undefined) encodeValue(writer, { attribute, kind, value })
  }
  writer.endNest(data)
  writer.endNest(element)
}

function encodeValue(
  writer: NetlinkWriter,
  {
    attribute,
    kind,
    value,
  }: { attribute: number; kind: Kind; value: number | string | Uint8Array },
): void {
  if (kind === 'text') writer.string(attribute, value as string)
  else if (kind === 'u8') writer.u8(attribute, value as number)
  else if (kind === 'u32') writer.u32be(attribute, value as number)
  else if (kind === 'u64') writer.u64be(attribute, BigInt(value as number))
  else if (kind === 'register') {
    const word = value as number
    writer.u32be(attribute, word === verdictRegister ? 0 : firstWordRegister + word)
  } else if (kind === 'verdict') encodeVerdict(writer, attribute, value as string)
  else encodeData(writer, attribute, value as Uint8Array)
}

export function encodeData(writer: NetlinkWriter, attribute: number, bytes: Uint8Array): void {
  const nest = writer.beginNest(attribute)
  writer.attribute(NFTA_DATA_VALUE, bytes)
  writer.endNest(nest)
}

/** "drop", "goto CHAIN", … as the data of an immediate or of a verdict map's element. */
export function encodeVerdict(writer: NetlinkWriter, attribute: number, verdict: string): void {
  const space = verdict.indexOf(' ')
  const word = space < 0 ? verdict : verdict.slice(0, space)
  const code = verdictCodes[word]
  if (code === undefined) throw new RangeError(`cannot encode verdict "${verdict}"`)
  const data = writer.beginNest(attribute)
  const nest = writer.beginNest(NFTA_DATA_VERDICT)
  writer.u32be(NFTA_VERDICT_CODE, code)
  if (space >= 0) writer.string(NFTA_VERDICT_CHAIN, verdict.slice(space + 1))
  writer.endNest(nest)
  writer.endNest(data)
}

/** The verdict or the value inside a data attribute. */
export function parseData(bytes: Buffer): { verdict?: string; value?: Buffer } {
  const attributes = parseAttributes(bytes)
  const value = attributes.get(NFTA_DATA_VALUE)
  if (value) return { value }
  const verdict = parseAttributes(attributes.get(NFTA_DATA_VERDICT) ?? Buffer.alloc(0))
  const code = verdict.get(NFTA_VERDICT_CODE)?.readInt32BE(0) ?? 0
  const name = verdictNames.get(code) ?? `verdict ${code}`
  const chain = verdict.get(NFTA_VERDICT_CHAIN)
  return { verdict: chain ? `${name} ${attributeText(chain)}` : name }
}

/** A rule's expression list; undefined when it holds an instruction that is not ours. */
export function parseInstructions(bytes: Buffer): Instruction[] | undefined {
  const instructions: Instruction[] = []
  let complete = true
  forEachAttribute(bytes, (_, element) => {
    const attributes = parseAttributes(element)
    const name = attributeText(attributes.get(NFTA_EXPR_NAME))
    if (!isInstructionName(name)) complete = false
    else instructions.push(parseInstruction(name, attributes.get(NFTA_EXPR_DATA)))
  })
  return complete ? instructions : undefined
}

function isInstructionName(name: string): name is InstructionName {
  return Object.hasOwn(layouts, name)
}

function parseInstruction(name: InstructionName, data: Buffer = Buffer.alloc(0)): Instruction {
  const attributes = parseAttributes(data)
  const values: Record<string, number | string | Uint8Array> = {}
  for (const [key, [attribute, kind]] of Object.entries(layouts[name] as Layout)) {
    const value = attributes.get(attribute)
    if (value) values[key] = parseValue(kind, value)
  }
  return { name, values }
}

function parseValue(kind: Kind, value: Buffer): number | string | Uint8Array {
  if (kind === 'text') return attributeText(value)
  if (kind === 'u8') return value[0]!
  if (kind === 'u64') return Number(value.readBigUInt64BE(0))
  if (kind === 'u32') return value.readUInt32BE(0)
  if (kind === 'register') return parseRegister(value.readUInt32BE(0))
  if (kind === 'verdict') return parseData(value).verdict ?? ''
  return Uint8Array.from(parseData(value).value ?? [])
}

/** The kernel reports words that start a 16-byte register by that register's number, 1 to 4. */
function parseRegister(register: number): number {
  if (register === 0) return verdictRegister
  return register >= firstWordRegister ? register - firstWordRegister : (register - 1) * 4
}
