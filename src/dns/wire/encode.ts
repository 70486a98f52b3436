// A message to bytes: names compressed, cut to a size limit with TC, in one reused buffer.
import { TYPE } from './codes.ts'
import { fixedBytes, layoutOf } from './layout.ts'
import type { Edns, Message, Question, ResourceRecord } from './message.ts'
import { headerBytes } from './message.ts'
import { decodeName, encodeName, nameEnd } from './name.ts'
import { WireError } from './wire-error.ts'

export const maxMessageBytes = 65_535

/** Room for a record that overshoots the limit before it is taken back. */
const scratch = Buffer.allocUnsafe(2 * maxMessageBytes + 1024)

/** Pointers hold 14 bits. */
const maxPointer = 0x3fff

/**
 * Writes `message` into at most `limit` bytes. Records are taken in order answer, authority,
 * additional up to the first that does not fit; the TC bit is set when any was left out.
 */
export function encodeMessage(message: Message, limit = maxMessageBytes): Uint8Array {
  const writer = new Writer(message.questions[0])
  for (const question of message.questions) writer.question(question)
  const room = Math.min(limit, maxMessageBytes) - ednsBytes(message.edns)
  const sections = [message.answers, message.authorities, message.additionals]
  const counts = [0, 0, 0]
  let complete = true
  for (let section = 0; section < 3 && complete; section++) {
    const records = sections[section]!
    const written = writer.records(records, room)
    counts[section] = written
    complete = written === records.length
  }
  if (message.edns) writer.opt(message.edns, message.rcode >> 4)
  writer.header(message, complete, counts)
  return writer.bytes()
}

/** Bytes the message takes without compression; what CoreDNS calls the size of a response. */
export function messageBytes(message: Message, nameBytes: (name: string) => number): number {
  let bytes = headerBytes + ednsBytes(message.edns)
  for (const question of message.questions) bytes += nameBytes(question.name) + 4
  for (const section of [message.answers, message.authorities, message.additionals]) {
    for (const record of section) bytes += nameBytes(record.name) + 10 + record.data.length
  }
  return bytes
}

function ednsBytes(edns: Edns | undefined): number {
  if (!edns) return 0
  return edns.options.reduce((sum, option) => sum + 4 + option.data.length, 11)
}

class Writer {
  #offset = headerBytes
  /** Name suffix -> where it stands. Made only once a name differs from the question's. */
  #seen: Map<string, number> | undefined
  readonly #first: Question | undefined

  constructor(first: Question | undefined) {
    this.#first = first
  }

  question(question: Question): void {
    this.#offset = encodeName(question.name, scratch, this.#offset)
    this.#u16(question.type)
    this.#u16(question.class)
    if (this.#offset > maxMessageBytes) throw new WireError('range', 'too many questions')
  }

  /** Writes records while they end within `room`; how many did. */
  records(records: readonly ResourceRecord[], room: number): number {
    for (let index = 0; index < records.length; index++) {
      const before = this.#offset
      this.#record(records[index]!)
      if (this.#offset > room) {
        this.#offset = before
        this.#forget(before)
        return index
      }
    }
    return records.length
  }

  #record(record: ResourceRecord): void {
    this.#name(record.name)
    this.#u16(record.type)
    this.#u16(record.class)
    this.#u32(record.ttl)
    const lengthAt = this.#offset
    this.#offset += 2
    this.#data(record)
    const length = this.#offset - lengthAt - 2
    if (length > maxMessageBytes) throw new WireError('range', 'record data above 65535 bytes')
    scratch[lengthAt] = length >> 8
    scratch[lengthAt + 1] = length & 0xff
  }

  #data(record: ResourceRecord): void {
    const { data } = record
    const layout = data.length > 0 ? layoutOf(record.type) : undefined
    if (data.length > maxMessageBytes) throw new WireError('range', 'record data above 65535 bytes')
    if (!layout?.includes('name')) {
      scratch.set(data, this.#offset)
      this.#offset += data.length
      return
    }
    let at = 0
    for (const kind of layout) {
      if (kind === 'name') {
        at = this.#wireName(data, at)
        continue
      }
      const end = at + (fixedBytes(kind) ?? data.length)
      scratch.set(data.subarray(at, end), this.#offset)
      this.#offset += end - at
      at = end
    }
  }

  /** Compresses a name that stands uncompressed in record data; returns the offset behind it. */
  #wireName(data: Uint8Array, at: number): number {
    const name = decodeName(data, at)
    const end = nameEnd()
    this.#name(name)
    return end
  }

  /** Writes a name, as a pointer from the first suffix that already stands in the message. */
  #name(name: string): void {
    if (this.#first !== undefined && name === this.#first.name && name !== '.') {
      this.#u16(0xc000 | headerBytes)
      return
    }
    this.#seen ??= this.#withQuestion()
    let rest = name
    while (rest !== '.' && rest !== '') {
      const known = this.#seen.get(rest)
      if (known !== undefined) {
        this.#u16(0xc000 | known)
        return
      }
      if (this.#offset <= maxPointer) this.#seen.set(rest, this.#offset)
      const cut = labelEnd(rest)
      // encodeName closes the label with a root byte, which the next label overwrites.
      this.#offset = encodeName(rest.slice(0, cut + 1), scratch, this.#offset) - 1
      rest = rest.slice(cut + 1)
    }
    scratch[this.#offset++] = 0
  }

  #withQuestion(): Map<string, number> {
    const seen = new Map<string, number>()
    let rest = this.#first?.name ?? '.'
    let at = headerBytes
    while (rest !== '.' && rest !== '') {
      seen.set(rest, at)
      at += 1 + scratch[at]!
      rest = rest.slice(labelEnd(rest) + 1)
    }
    return seen
  }

  /** Drops suffixes of a record that was taken back. */
  #forget(from: number): void {
    for (const [suffix, at] of this.#seen ?? []) if (at >= from) this.#seen?.delete(suffix)
  }

  opt(edns: Edns, extendedRcode: number): void {
    scratch[this.#offset++] = 0
    this.#u16(TYPE.OPT)
    this.#u16(edns.udpSize)
    const flags = edns.dnssecOk ? 0x8000 : 0
    this.#u32(((extendedRcode << 24) | (edns.version << 16) | flags) >>> 0)
    this.#u16(ednsBytes(edns) - 11)
    for (const option of edns.options) {
      this.#u16(option.code)
      this.#u16(option.data.length)
      scratch.set(option.data, this.#offset)
      this.#offset += option.data.length
    }
  }

  header(message: Message, complete: boolean, counts: readonly number[]): void {
    const end = this.#offset
    this.#offset = 0
    this.#u16(message.id)
    this.#u16(flagsOf(message) | (complete ? 0 : 0x0200))
    this.#u16(message.questions.length)
    for (let section = 0; section < 3; section++) {
      this.#u16(counts[section]! + (section === 2 && message.edns ? 1 : 0))
    }
    this.#offset = end
  }

  bytes(): Uint8Array {
    return new Uint8Array(scratch.subarray(0, this.#offset))
  }

  #u16(value: number): void {
    scratch[this.#offset++] = (value >> 8) & 0xff
    scratch[this.#offset++] = value & 0xff
  }

  #u32(value: number): void {
    this.#u16(value >>> 16)
    this.#u16(value & 0xffff)
  }
}

function flagsOf(message: Message): number {
  return (
    (message.response ? 0x8000 : 0) |
    ((message.opcode & 0xf) << 11) |
    (message.authoritative ? 0x0400 : 0) |
    (message.truncated ? 0x0200 : 0) |
    (message.recursionDesired ? 0x0100 : 0) |
    (message.recursionAvailable ? 0x0080 : 0) |
    (message.authenticData ? 0x0020 : 0) |
    (message.checkingDisabled ? 0x0010 : 0) |
    (message.rcode & 0xf)
  )
}

/** Index of the dot that ends the first label. */
function labelEnd(name: string): number {
  for (let index = 0; index < name.length; index++) {
    const code = name.charCodeAt(index)
    if (code === 0x5c) index++
    else if (code === 0x2e) return index
  }
  return name.length
}
