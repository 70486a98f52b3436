// Domain names: from wire to presentation form and back (RFC 1035 3.1, 4.1.4, 5.1).
// A name is a string with its trailing dot ("a.example.", "." for the root); dots and backslashes
// inside a label, and bytes that do not print, are escaped, so every wire name has one spelling.
import { WireError } from './wire-error.ts'

export const maxNameBytes = 255
export const maxLabelBytes = 63

/** Longest presentation form: each of 255 bytes as \DDD. */
const scratch = Buffer.allocUnsafe(4 * maxNameBytes)

const dot = 0x2e
const backslash = 0x5c

/** What a label's byte needs: 0 itself, 1 a backslash before it, 2 three digits. */
const escapes = Uint8Array.from({ length: 256 }, (_, byte) => {
  if (byte === dot || byte === backslash) return 1
  if ('"();@$'.includes(String.fromCharCode(byte))) return 1
  return byte < 0x21 || byte > 0x7e ? 2 : 0
})

/** Where the name read last ends in the packet: a second result without an allocation per name. */
let endOffset = 0

/** The offset behind the name that decodeName read last. */
export const nameEnd = (): number => endOffset

/** Reads the name at `offset`. Pointers must go backwards, so there is no loop to fall into. */
export function decodeName(packet: Uint8Array, offset: number): string {
  let position = offset
  let limit = offset
  let wireBytes = 1
  let length = 0
  let jumped = false
  for (;;) {
    if (position >= packet.length) throw new WireError('short', 'name runs past the packet')
    const byte = packet[position]!
    if (byte >= 0xc0) {
      if (position + 1 >= packet.length)
        throw new WireError('short', 'pointer runs past the packet')
      if (!jumped) endOffset = position + 2
      jumped = true
      position = ((byte & 0x3f) << 8) | packet[position + 1]!
      if (position >= limit) throw new WireError('pointer', 'pointer does not point backwards')
      limit = position
      continue
    }
    if (byte > maxLabelBytes) throw new WireError('pointer', 'unknown label type')
    if (byte === 0) break
    wireBytes += byte + 1
    if (wireBytes > maxNameBytes) throw new WireError('name', 'name is longer than 255 bytes')
    const labelEnd = position + 1 + byte
    if (labelEnd > packet.length) throw new WireError('short', 'label runs past the packet')
    for (let at = position + 1; at < labelEnd; at++) length = putEscaped(packet[at]!, length)
    scratch[length++] = dot
    position = labelEnd
  }
  if (!jumped) endOffset = position + 1
  return length === 0 ? '.' : scratch.toString('latin1', 0, length)
}

function putEscaped(byte: number, at: number): number {
  const escape = escapes[byte]!
  if (escape === 0) {
    scratch[at] = byte
    return at + 1
  }
  scratch[at] = backslash
  if (escape === 1) {
    scratch[at + 1] = byte
    return at + 2
  }
  scratch[at + 1] = 0x30 + Math.floor(byte / 100)
  scratch[at + 2] = 0x30 + (Math.floor(byte / 10) % 10)
  scratch[at + 3] = 0x30 + (byte % 10)
  return at + 4
}

/** Writes a name uncompressed and returns the offset behind it. The target must have 255 bytes left. */
export function encodeName(name: string, target: Uint8Array, offset: number): number {
  if (name === '.') {
    target[offset] = 0
    return offset + 1
  }
  let labelStart = offset
  let at = offset + 1
  for (let index = 0; index < name.length; index++) {
    let code = name.charCodeAt(index)
    if (code === dot) {
      target[labelStart] = checkLabel(at - labelStart - 1)
      labelStart = at++
    } else {
      if (code === backslash) {
        const digits = isDigits(name, index + 1)
        code = digits ? Number(name.slice(index + 1, index + 4)) : name.charCodeAt(index + 1)
        index += digits ? 3 : 1
      }
      if (!(code <= 0xff)) throw new WireError('name', `name "${name}" holds no byte`)
      target[at++] = code
    }
    if (at - offset > maxNameBytes) throw new WireError('name', 'name is longer than 255 bytes')
  }
  if (at !== labelStart + 1) {
    // A name without its trailing dot is taken as absolute.
    target[labelStart] = checkLabel(at - labelStart - 1)
    labelStart = at++
    if (at - offset > maxNameBytes) throw new WireError('name', 'name is longer than 255 bytes')
  }
  target[labelStart] = 0
  return at
}

function checkLabel(length: number): number {
  if (length === 0) throw new WireError('name', 'empty label')
  if (length > maxLabelBytes) throw new WireError('name', 'label is longer than 63 bytes')
  return length
}

function isDigits(text: string, from: number): boolean {
  for (let index = from; index < from + 3; index++) {
    const code = text.charCodeAt(index)
    if (!(code >= 0x30 && code <= 0x39)) return false
  }
  return true
}

/** Bytes of the name on the wire, uncompressed. */
export function nameBytes(name: string): number {
  if (name === '.') return 1
  if (!name.includes('\\')) return name.length + (name.endsWith('.') ? 1 : 2)
  return labelsOf(name).reduce((sum, label) => sum + 1 + rawLength(label), 1)
}

const rawLength = (label: string): number => label.replace(/\\(\d{3}|.)/gs, 'x').length

/** The labels from left to right, still escaped. */
export function labelsOf(name: string): string[] {
  if (name === '.') return []
  const absolute = name.endsWith('.') ? name.slice(0, -1) : name
  if (!absolute.includes('\\')) return absolute.split('.')
  return absolute.match(/(?:\\\d{3}|\\.|[^.\\])+/gs) ?? []
}

/** ASCII only: other bytes are escaped in a name and stay as they are. */
export const lowerName = (name: string): string => name.toLowerCase()

/** Whether `name` is `zone` or below it; both lower-case and absolute. */
export function isBelow(name: string, zone: string): boolean {
  if (zone === '.') return true
  if (!name.endsWith(zone)) return false
  if (name.length === zone.length) return true
  const before = name.length - zone.length - 1
  if (name.charCodeAt(before) !== dot) return false
  return name.charCodeAt(before - 1) !== backslash || !endsEscaped(name, before)
}

/** Whether the dot at `at` belongs to a label: an odd run of backslashes stands before it. */
function endsEscaped(name: string, at: number): boolean {
  let run = 0
  while (name.charCodeAt(at - 1 - run) === backslash) run++
  return run % 2 === 1
}

/** Adds the trailing dot a person leaves out. */
export const absoluteName = (name: string): string => (name.endsWith('.') ? name : `${name}.`)
