// The rows of the LMDB store as bytes.
import type { PlannedEvent } from './plan.ts'
import type { Entry } from './store.ts'

/** Two revisions of six bytes each: enough for 2^48 commits. */
const headerBytes = 12

export function encodeEntry(entry: Entry): Buffer {
  const row = Buffer.allocUnsafe(headerBytes + entry.value.length)
  row.writeUIntBE(entry.modRevision, 0, 6)
  row.writeUIntBE(entry.createRevision, 6, 6)
  row.set(entry.value, headerBytes)
  return row
}

export function decodeEntry(key: string, row: Buffer): Entry {
  return {
    key,
    value: row.subarray(headerBytes),
    modRevision: row.readUIntBE(0, 6),
    createRevision: row.readUIntBE(6, 6),
  }
}

export function logKey(revision: number, index: number): Buffer {
  const key = Buffer.alloc(12)
  key.writeUIntBE(revision, 2, 6)
  key.writeUInt32BE(index, 8)
  return key
}

export interface LogRow {
  readonly type: 'put' | 'delete'
  readonly key: string
  readonly revision: number
  readonly previous: Entry | undefined
}

const putFlag = 1
const previousFlag = 2

export function encodeLogRow(event: PlannedEvent): Buffer {
  const key = Buffer.from(event.key)
  const head = Buffer.allocUnsafe(9)
  const { previous } = event
  head.writeUInt8((event.type === 'put' ? putFlag : 0) | (previous ? previousFlag : 0), 0)
  head.writeUIntBE(event.revision, 1, 6)
  head.writeUInt16BE(key.length, 7)
  return Buffer.concat(previous ? [head, key, encodeEntry(previous)] : [head, key])
}

export function decodeLogRow(row: Buffer): LogRow {
  const flags = row.readUInt8(0)
  const end = 9 + row.readUInt16BE(7)
  const key = row.toString('utf8', 9, end)
  return {
    type: (flags & putFlag) !== 0 ? 'put' : 'delete',
    key,
    revision: row.readUIntBE(1, 6),
    previous: (flags & previousFlag) !== 0 ? decodeEntry(key, row.subarray(end)) : undefined,
  }
}
