// Kubernetes' protobuf wire format: the `k8s\0` envelope around a message, lists made of messages
// that are encoded already, and the frames of a watch.
import { decodeMessage } from './protobuf-decode.ts'
import { encodeMessage } from './protobuf-encode.ts'
import { ProtobufError, ProtobufReader } from './protobuf-reader.ts'
import { ProtobufWriter } from './protobuf-writer.ts'
import { structOfKind } from './schema.ts'

export { decodeMessage } from './protobuf-decode.ts'
export { encodeMessage } from './protobuf-encode.ts'

export const protobufType = 'application/vnd.kubernetes.protobuf'

const prefix = Buffer.from('k8s\0', 'latin1')

interface TypeName {
  readonly apiVersion: string
  readonly kind: string
}

const writer = new ProtobufWriter()

/** A field of text or bytes; the writer goes from the last field to the first. */
function put(number: number, content: string | Uint8Array): void {
  const before = writer.mark
  if (typeof content === 'string') writer.text(content)
  else writer.raw(content)
  writer.varint(writer.mark - before)
  writer.varint(number * 8 + 2)
}

/** Puts a message into the envelope that names its kind. */
export function wrapMessage(type: TypeName, message: Uint8Array): Buffer {
  put(4, '')
  put(3, '')
  put(2, message)
  const before = writer.mark
  put(2, type.kind)
  put(1, type.apiVersion)
  writer.varint(writer.mark - before)
  writer.varint(0x0a)
  writer.raw(prefix)
  return writer.finish()
}

/** An object as it goes over the wire. */
export function encodeProtobuf(type: TypeName, struct: string, object: unknown): Buffer {
  return wrapMessage(type, encodeMessage(struct, object))
}

/** A list of any kind from the messages of its items, each encoded before. */
export function encodeProtobufList(
  type: TypeName,
  metadata: unknown,
  items: readonly Uint8Array[],
): Buffer {
  for (let index = items.length - 1; index >= 0; index--) put(2, items[index]!)
  put(1, encodeMessage('meta.v1.ListMeta', metadata))
  return wrapMessage(type, writer.finish())
}

/** One frame of a watch: its length, then a WatchEvent that holds an object in its envelope. */
export function encodeWatchFrame(eventType: string, envelope: Uint8Array): Buffer {
  put(1, envelope)
  const raw = writer.finish()
  put(2, raw)
  put(1, eventType)
  const length = Buffer.alloc(4)
  length.writeUInt32BE(writer.mark)
  writer.raw(length)
  return writer.finish()
}

interface Envelope {
  readonly type: TypeName
  readonly message: Buffer
}

function readEnvelope(bytes: Buffer): Envelope {
  const reader = new ProtobufReader(bytes.subarray(prefix.length))
  let apiVersion = ''
  let kind = ''
  let message = Buffer.alloc(0)
  while (!reader.done) {
    const tag = reader.varint()
    if (tag === 0x0a) {
      const outer = reader.enter()
      while (!reader.done) {
        const inner = reader.varint()
        if (inner === 0x0a) apiVersion = reader.text()
        else if (inner === 0x12) kind = reader.text()
        else reader.skip(inner & 7)
      }
      reader.leave(outer)
    } else if (tag === 0x12) message = reader.bytes() as Buffer<ArrayBuffer>
    else reader.skip(tag & 7)
  }
  return { type: { apiVersion, kind }, message }
}

export type ProtobufResult =
  | {
      readonly ok: true
      readonly value: Record<string, unknown>
      readonly struct: string
      readonly type: TypeName
    }
  | { readonly ok: false; readonly message: string; readonly type?: TypeName }

const refuse = (message: string, type?: TypeName): ProtobufResult =>
  type ? { ok: false, message, type } : { ok: false, message }

/** Reads an object in its envelope; what the envelope leaves out is as expected. */
export function decodeProtobuf(bytes: Uint8Array, expected: TypeName): ProtobufResult {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (!buffer.subarray(0, prefix.length).equals(prefix)) {
    const wanted = `expected prefix [${[...prefix].join(' ')}]`
    return refuse(`provided data does not appear to be a protobuf message, ${wanted}`)
  }
  if (buffer.length === prefix.length) return refuse('empty body')
  let type: TypeName | undefined
  try {
    const envelope = readEnvelope(buffer)
    type = {
      apiVersion: envelope.type.apiVersion || expected.apiVersion,
      kind: envelope.type.kind || expected.kind,
    }
    const struct = structOfKind(type.apiVersion, type.kind)
    if (struct === undefined) {
      const scheme = 'pkg/api/legacyscheme/scheme.go:30'
      const text = `no kind "${type.kind}" is registered for version "${type.apiVersion}" in scheme "${scheme}"`
      return refuse(text, type)
    }
    const { kind, apiVersion } = type
    const value = { kind, apiVersion, ...decodeMessage(struct, envelope.message) }
    return { ok: true, value, struct, type }
  } catch (error) {
    if (error instanceof ProtobufError) return refuse(error.message, type)
    throw error
  }
}
