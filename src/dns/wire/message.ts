// A DNS message as data, and the bytes it is read from. Record data stays bytes, uncompressed, so
// that unknown types pass through and a cached answer is small; text.ts and rdata.ts read into it.
import { CLASS, TYPE } from './codes.ts'
import type { FieldKind } from './layout.ts'
import { fixedBytes, holdsNames, isName, layoutOf, takesRest } from './layout.ts'
import { decodeName, encodeName, maxNameBytes, nameEnd } from './name.ts'
import { WireError } from './wire-error.ts'

export interface Question {
  /** In the case received. */
  readonly name: string
  readonly type: number
  readonly class: number
}

export interface ResourceRecord {
  readonly name: string
  readonly type: number
  readonly class: number
  readonly ttl: number
  /** Wire form without compression. */
  readonly data: Uint8Array
}

export interface EdnsOption {
  readonly code: number
  readonly data: Uint8Array
}

/** The OPT record (RFC 6891), which is no record of the additional section here. */
export interface Edns {
  readonly udpSize: number
  readonly version: number
  readonly dnssecOk: boolean
  readonly options: readonly EdnsOption[]
}

export interface Message {
  readonly id: number
  readonly response: boolean
  readonly opcode: number
  readonly authoritative: boolean
  readonly truncated: boolean
  readonly recursionDesired: boolean
  readonly recursionAvailable: boolean
  readonly authenticData: boolean
  readonly checkingDisabled: boolean
  /** With the upper bits of the OPT record; above 15 only beside `edns`. */
  readonly rcode: number
  readonly questions: readonly Question[]
  readonly answers: readonly ResourceRecord[]
  readonly authorities: readonly ResourceRecord[]
  readonly additionals: readonly ResourceRecord[]
  readonly edns: Edns | undefined
}

export const headerBytes = 12

export interface DecodeOptions {
  /** Bytes behind the last record are an error unless this is set (CoreDNS ignores them). */
  readonly allowTrailing?: boolean
}

/** Reads one message. Throws WireError, and nothing else, for bytes that are none. */
export function decodeMessage(packet: Uint8Array, options: DecodeOptions = {}): Message {
  if (packet.length < headerBytes) throw new WireError('short', 'message ends inside its header')
  const flags = readU16(packet, 2)
  const reader = new Reader(packet)
  const questions = reader.questions(readU16(packet, 4))
  const answers = reader.records(readU16(packet, 6))
  const authorities = reader.records(readU16(packet, 8))
  const additionals = reader.records(readU16(packet, 10), true)
  if (reader.offset !== packet.length && options.allowTrailing !== true) {
    throw new WireError('trailing', `${packet.length - reader.offset} bytes follow the message`)
  }
  return {
    id: readU16(packet, 0),
    response: (flags & 0x8000) !== 0,
    opcode: (flags >> 11) & 0xf,
    authoritative: (flags & 0x0400) !== 0,
    truncated: (flags & 0x0200) !== 0,
    recursionDesired: (flags & 0x0100) !== 0,
    recursionAvailable: (flags & 0x0080) !== 0,
    authenticData: (flags & 0x0020) !== 0,
    checkingDisabled: (flags & 0x0010) !== 0,
    rcode: (reader.extendedRcode << 4) | (flags & 0xf),
    questions,
    answers,
    authorities,
    additionals,
    edns: reader.edns,
  }
}

const none: readonly ResourceRecord[] = []

class Reader {
  readonly #packet: Uint8Array
  offset = headerBytes
  edns: Edns | undefined
  extendedRcode = 0

  constructor(packet: Uint8Array) {
    this.#packet = packet
  }

  questions(count: number): Question[] {
    const questions: Question[] = []
    for (let index = 0; index < count; index++) {
      const name = decodeName(this.#packet, this.offset)
      this.offset = nameEnd()
      this.#need(4)
      const type = readU16(this.#packet, this.offset)
      questions.push({ name, type, class: readU16(this.#packet, this.offset + 2) })
      this.offset += 4
    }
    return questions
  }

  /** Only the additional section may hold the OPT record, which goes to `edns`. */
  records(count: number, additional = false): readonly ResourceRecord[] {
    if (count === 0) return none
    const records: ResourceRecord[] = []
    for (let index = 0; index < count; index++) {
      const name = decodeName(this.#packet, this.offset)
      this.offset = nameEnd()
      this.#need(10)
      const at = this.offset
      const type = readU16(this.#packet, at)
      const recordClass = readU16(this.#packet, at + 2)
      const ttl = readU32(this.#packet, at + 4)
      const length = readU16(this.#packet, at + 8)
      this.offset = at + 10
      this.#need(length)
      if (type === TYPE.OPT) {
        if (!additional) throw new WireError('opt', 'OPT outside the additional section')
        this.#opt({ name, recordClass, ttl, length })
      } else {
        const data = decodeData(this.#packet, type, { start: this.offset, end: at + 10 + length })
        records.push({ name, type, class: recordClass, ttl, data })
      }
      this.offset += length
    }
    return records
  }

  #opt(record: { name: string; recordClass: number; ttl: number; length: number }): void {
    if (this.edns) throw new WireError('opt', 'more than one OPT record')
    if (record.name !== '.') throw new WireError('opt', 'OPT is not owned by the root')
    const options: EdnsOption[] = []
    const end = this.offset + record.length
    for (let at = this.offset; at < end; ) {
      if (at + 4 > end) throw new WireError('opt', 'option ends inside its header')
      const length = readU16(this.#packet, at + 2)
      if (at + 4 + length > end) throw new WireError('opt', 'option runs past its record')
      const data = copyOf(this.#packet, { start: at + 4, end: at + 4 + length })
      options.push({ code: readU16(this.#packet, at), data })
      at += 4 + length
    }
    this.extendedRcode = record.ttl >>> 24
    this.edns = {
      udpSize: record.recordClass,
      version: (record.ttl >>> 16) & 0xff,
      dnssecOk: (record.ttl & 0x8000) !== 0,
      options,
    }
  }

  #need(bytes: number): void {
    if (this.offset + bytes > this.#packet.length) {
      throw new WireError('short', 'record runs past the packet')
    }
  }
}

/** Record data without compression. Empty data is allowed for every type, as in RFC 2136. */
function decodeData(packet: Uint8Array, type: number, range: Range): Uint8Array {
  const layout = layoutOf(type)
  const { start: offset, end } = range
  if (offset === end || layout === undefined) return copyOf(packet, range)
  const expanded = holdsNames(type) ? new Uint8Array(end - offset + 2 * maxNameBytes) : undefined
  let at = offset
  let written = 0
  for (const kind of layout) {
    const start = at
    if (isName(kind)) {
      const name = decodeName(packet, at)
      at = nameEnd()
      if (expanded) written = encodeName(name, expanded, written)
    } else {
      at = fieldEnd(packet, { start: at, end }, kind)
    }
    if (at > end) throw new WireError('rdata', 'record data is too short for its type')
    if (expanded && !isName(kind)) {
      expanded.set(packet.subarray(start, at), written)
      written += at - start
    }
  }
  if (at !== end) throw new WireError('rdata', 'record data is too long for its type')
  return expanded ? expanded.slice(0, written) : copyOf(packet, range)
}

/** A copy that keeps no packet alive, whether packet is a Buffer (whose slice() shares) or not. */
function copyOf(packet: Uint8Array, { start, end }: Range): Uint8Array {
  return new Uint8Array(packet.subarray(start, end))
}

interface Range {
  readonly start: number
  readonly end: number
}

function fieldEnd(packet: Uint8Array, { start: at, end }: Range, kind: FieldKind): number {
  const fixed = fixedBytes(kind)
  if (fixed !== undefined) return at + fixed
  if (kind === 'string' || kind === 'salt' || kind === 'base32') {
    if (at >= end) throw new WireError('rdata', 'string is missing')
    return at + 1 + packet[at]!
  }
  if (kind === 'strings') {
    let next = at
    while (next < end) next += 1 + packet[next]!
    return next
  }
  return takesRest(kind) ? end : at
}

function readU16(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 8) | bytes[at + 1]!
}

function readU32(bytes: Uint8Array, at: number): number {
  return (
    ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0
  )
}

/** An empty query for a name, as a client makes it. */
export function queryMessage(id: number, question: Partial<Question> & { name: string }): Message {
  return {
    id,
    response: false,
    opcode: 0,
    authoritative: false,
    truncated: false,
    recursionDesired: true,
    recursionAvailable: false,
    authenticData: false,
    checkingDisabled: false,
    rcode: 0,
    questions: [{ type: TYPE.A, class: CLASS.IN, ...question }],
    answers: none,
    authorities: none,
    additionals: none,
    edns: undefined,
  }
}
