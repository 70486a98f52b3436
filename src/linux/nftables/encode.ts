// Operations to netlink messages: one batch is one transaction. Large loads are cut into several
// batches, at places where what came before is consistent by itself.
import {
  NetlinkWriter,
  NLM_F_ACK,
  NLM_F_APPEND,
  NLM_F_CREATE,
  NLM_F_REQUEST,
} from '../netlink-message.ts'
import { compileRule, familyNumbers } from './compile.ts'
import { concatId, concatLength, datatypes } from './datatypes.ts'
import { encodeElement } from './element-codec.ts'
import { encodeInstruction } from './instructions.ts'
import type {
  BaseChain,
  Chain,
  ElementOperation,
  Family,
  HookName,
  Operation,
  Rule,
  SetDeclaration,
} from './objects.ts'

export const NFNL_SUBSYS_NFTABLES = 10
export const NFT_MSG_NEWTABLE = 0
export const NFT_MSG_GETTABLE = 1
const NFT_MSG_DELTABLE = 2
const NFT_MSG_NEWCHAIN = 3
export const NFT_MSG_GETCHAIN = 4
const NFT_MSG_DELCHAIN = 5
const NFT_MSG_NEWRULE = 6
export const NFT_MSG_GETRULE = 7
const NFT_MSG_DELRULE = 8
const NFT_MSG_NEWSET = 9
export const NFT_MSG_GETSET = 10
const NFT_MSG_DELSET = 11
const NFT_MSG_NEWSETELEM = 12
export const NFT_MSG_GETSETELEM = 13
const NFT_MSG_DELSETELEM = 14
export const NFT_MSG_NEWGEN = 15
export const NFT_MSG_GETGEN = 16
const NFNL_MSG_BATCH_BEGIN = 16
const NFNL_MSG_BATCH_END = 17
const NFNL_BATCH_GENID = 1

export const NFT_TABLE_F_OWNER = 2
export const NFT_TABLE_F_PERSIST = 4

export const NFT_SET_INTERVAL = 0x4
export const NFT_SET_MAP = 0x8
export const NFT_SET_TIMEOUT = 0x10
export const NFT_SET_EVAL = 0x20
const NFT_SET_CONCAT = 0x80
/** What `nft` takes for the type of verdicts. */
export const verdictTypeId = 0xffffff00
const NF_ACCEPT = 1

/** Elements in one message: their list is an attribute, which holds 64 KiB at most. */
const maxElementsPerMessage = 400

export const hookNumbers: Readonly<Record<HookName, number>> = {
  prerouting: 0,
  input: 1,
  forward: 2,
  output: 3,
  postrouting: 4,
}

export interface EncodeContext {
  readonly family: Family
  readonly table: string
  /** NFT_TABLE_F_*. */
  readonly tableFlags: number
  readonly takeSeq: () => number
  /** Only commit on top of this generation; the kernel answers ERESTART else. */
  readonly generation?: number
}

export interface Batch {
  readonly bytes: Buffer
  /** Sequence number -> index of the first operation its message carries. */
  readonly operationOf: ReadonlyMap<number, number>
  /** The last message, whose acknowledgement means: committed. */
  readonly lastSeq: number
}

/** One batch if all fits into maxBytes, else as few as possible. */
export function encodeBatches(
  operations: readonly Operation[],
  context: EncodeContext,
  maxBytes: number,
): Batch[] {
  const batches: Batch[] = []
  for (let next = 0; next < operations.length; ) {
    const encoder = new BatchEncoder(context)
    next = encoder.fill(operations, next, maxBytes)
    batches.push(encoder.finish())
  }
  return batches
}

class BatchEncoder {
  readonly #context: EncodeContext
  readonly #writer = new NetlinkWriter(16 * 1024)
  readonly #operationOf = new Map<number, number>()
  #lastSeq = 0
  #lastMark = 0

  constructor(context: EncodeContext) {
    this.#context = context
    const mark = this.#writer.beginMessage(NFNL_MSG_BATCH_BEGIN, NLM_F_REQUEST, context.takeSeq())
    this.#writer.raw(generationHeader(0, NFNL_SUBSYS_NFTABLES))
    if (context.generation !== undefined) this.#writer.u32be(NFNL_BATCH_GENID, context.generation)
    this.#writer.endMessage(mark)
  }

  /** Writes operations from an index on and returns the index of the first that did not fit. */
  fill(operations: readonly Operation[], from: number, maxBytes: number): number {
    let next = from
    while (next < operations.length) {
      const isCut = next > from && this.#writer.length >= maxBytes
      if (isCut && !belongsTogether(operations[next - 1]!, operations[next]!)) break
      const operation = operations[next]!
      const end = endOfRun(operations, next)
      const seq = this.#begin(operation)
      this.#operationOf.set(seq, next)
      this.#body(operation, operations.slice(next, end) as ElementOperation[])
      this.#writer.endMessage(this.#lastMark)
      next = end
    }
    return next
  }

  finish(): Batch {
    // The last message alone asks for an acknowledgement; failures are reported for each.
    const bytes = this.#writer.bytes
    bytes.writeUInt16LE(bytes.readUInt16LE(this.#lastMark + 6) | NLM_F_ACK, this.#lastMark + 6)
    const mark = this.#writer.beginMessage(
      NFNL_MSG_BATCH_END,
      NLM_F_REQUEST,
      this.#context.takeSeq(),
    )
    this.#writer.raw(generationHeader(0, NFNL_SUBSYS_NFTABLES))
    this.#writer.endMessage(mark)
    return {
      bytes: this.#writer.bytes,
      operationOf: this.#operationOf,
      lastSeq: this.#lastSeq,
    }
  }

  #begin(operation: Operation): number {
    const [op, flags] = messageOf(operation)
    this.#lastSeq = this.#context.takeSeq()
    const type = (NFNL_SUBSYS_NFTABLES << 8) | op
    this.#lastMark = this.#writer.beginMessage(type, NLM_F_REQUEST | flags, this.#lastSeq)
    this.#writer.raw(generationHeader(familyNumbers[this.#context.family], 0))
    // The table's name is attribute 1 of every object's message.
    this.#writer.string(1, this.#context.table)
    return this.#lastSeq
  }

  #body(operation: Operation, elements: readonly ElementOperation[]): void {
    const writer = this.#writer
    switch (operation.type) {
      case 'addTable':
        return writer.u32be(2, this.#context.tableFlags)
      case 'deleteTable':
        return
      case 'addSet':
        return encodeSet(writer, operation.set, this.#lastSeq)
      case 'deleteSet':
        return writer.string(2, operation.name)
      case 'addChain':
        return encodeChain(writer, operation.chain)
      case 'deleteChain':
        return writer.string(3, operation.name)
      case 'flushChain':
        return writer.string(2, operation.name)
      case 'addRule':
        writer.string(2, operation.chain)
        return encodeRule(writer, operation.rule, this.#context.family)
      case 'addElement':
      case 'deleteElement':
        return encodeElements(writer, elements)
    }
  }
}

/** How many operations from here on go into one message: elements of one set and kind. */
function endOfRun(operations: readonly Operation[], from: number): number {
  const first = operations[from]!
  if (first.type !== 'addElement' && first.type !== 'deleteElement') return from + 1
  let end = from + 1
  while (end < operations.length && end - from < maxElementsPerMessage) {
    const operation = operations[end]!
    if (operation.type !== first.type || operation.set !== first.set) break
    end++
  }
  return end
}

/** A change is a delete and an add of one key, or a flush and the new rules: never to be parted. */
function belongsTogether(before: Operation, after: Operation): boolean {
  if (before.type === 'deleteElement' && after.type === 'addElement') return true
  return after.type === 'addRule' || before.type === 'flushChain' || before.type === 'deleteTable'
}

function messageOf(operation: Operation): readonly [op: number, flags: number] {
  switch (operation.type) {
    case 'addTable':
      return [NFT_MSG_NEWTABLE, NLM_F_CREATE]
    case 'deleteTable':
      return [NFT_MSG_DELTABLE, 0]
    case 'addSet':
      return [NFT_MSG_NEWSET, NLM_F_CREATE]
    case 'deleteSet':
      return [NFT_MSG_DELSET, 0]
    case 'addChain':
      return [NFT_MSG_NEWCHAIN, NLM_F_CREATE]
    case 'deleteChain':
      return [NFT_MSG_DELCHAIN, 0]
    case 'flushChain':
      return [NFT_MSG_DELRULE, 0]
    case 'addRule':
      return [NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND]
    case 'addElement':
      return [NFT_MSG_NEWSETELEM, NLM_F_CREATE]
    case 'deleteElement':
      return [NFT_MSG_DELSETELEM, 0]
  }
}

/** struct nfgenmsg: family, version 0, resource id big-endian. */
export function generationHeader(family: number, resource: number): Uint8Array {
  return Uint8Array.of(family, 0, resource >> 8, resource & 255)
}

function encodeSet(writer: NetlinkWriter, set: SetDeclaration, id: number): void {
  const isMap = set.value !== undefined
  writer.string(2, set.name)
  writer.u32be(
    3,
    (isMap ? NFT_SET_MAP : 0) |
      (set.interval ? NFT_SET_INTERVAL | NFT_SET_CONCAT : 0) |
      (set.dynamic ? NFT_SET_EVAL : 0) |
      (set.timeoutSeconds === undefined ? 0 : NFT_SET_TIMEOUT),
  )
  writer.u32be(4, concatId(set.key))
  writer.u32be(5, concatLength(set.key))
  if (set.value === 'verdict') {
    writer.u32be(6, verdictTypeId)
    writer.u32be(7, 16)
  } else if (set.value !== undefined) {
    writer.u32be(6, concatId(set.value))
    writer.u32be(7, concatLength(set.value))
  }
  if (set.size !== undefined || set.interval) encodeSetDescription(writer, set)
  writer.u32be(10, id)
  if (set.timeoutSeconds !== undefined) writer.u64be(11, BigInt(set.timeoutSeconds) * 1000n)
  if (set.counter) {
    const expression = writer.beginNest(17)
    writer.string(1, 'counter')
    const data = writer.beginNest(2)
    writer.u64be(1, 0n)
    writer.u64be(2, 0n)
    writer.endNest(data)
    writer.endNest(expression)
  }
}

/** Size, and for intervals the width of each part, without which the kernel refuses ranges. */
function encodeSetDescription(writer: NetlinkWriter, set: SetDeclaration): void {
  const description = writer.beginNest(9)
  if (set.size !== undefined) writer.u32be(1, set.size)
  if (set.interval) {
    const concat = writer.beginNest(2)
    for (const part of set.key) {
      const element = writer.beginNest(1)
      writer.u32be(1, datatypes[part].length)
      writer.endNest(element)
    }
    writer.endNest(concat)
  }
  writer.endNest(description)
}

function encodeChain(writer: NetlinkWriter, chain: Chain): void {
  writer.string(3, chain.name)
  if (chain.base) encodeHook(writer, chain.base)
}

function encodeHook(writer: NetlinkWriter, base: BaseChain): void {
  const hook = writer.beginNest(4)
  writer.u32be(1, hookNumbers[base.hook])
  writer.u32be(2, base.priority)
  writer.endNest(hook)
  writer.u32be(5, NF_ACCEPT)
  writer.string(7, base.type)
}

function encodeRule(writer: NetlinkWriter, rule: Rule, family: Family): void {
  const list = writer.beginNest(4)
  for (const instruction of compileRule(rule, family)) encodeInstruction(writer, instruction)
  writer.endNest(list)
}

function encodeElements(writer: NetlinkWriter, elements: readonly ElementOperation[]): void {
  const { set } = elements[0]!
  writer.string(2, set.name)
  const list = writer.beginNest(3)
  for (const element of elements) encodeElement(writer, set, element)
  writer.endNest(list)
}
