// Looks at an LMDB data file before the library does: opening a damaged one would crash the process.
import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { join } from 'node:path'
import { StoreError } from './store.ts'

/** Where lmdb-js keeps things in its two meta pages (mdb.c: MDB_page header, then MDB_meta). */
const layout = { magic: 24, version: 28, pageSize: 48, lastPage: 144, transaction: 152, end: 160 }
const magic = 0xbeefc0de

/** Throws StoreError "corrupt" unless the file is absent or sound as far as its meta pages tell. */
export function checkDataFile(directory: string): void {
  const path = join(directory, 'data.mdb')
  const descriptor = openIfThere(path)
  if (descriptor === undefined) return
  try {
    const { size } = fstatSync(descriptor)
    if (size === 0) return
    const first = readMeta(descriptor, 0)
    const second = first && readMeta(descriptor, first.pageSize)
    if (!first || !second) throw corrupt(path, 'it is not an LMDB file')
    const newest = second.transaction > first.transaction ? second : first
    const wanted = (newest.lastPage + 1) * newest.pageSize
    if (size < wanted) throw corrupt(path, `it has ${size} bytes of ${wanted}`)
  } finally {
    closeSync(descriptor)
  }
}

function openIfThere(path: string): number | undefined {
  try {
    return openSync(path, 'r')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

interface Meta {
  readonly pageSize: number
  readonly lastPage: number
  readonly transaction: number
}

function readMeta(descriptor: number, at: number): Meta | undefined {
  const page = Buffer.alloc(layout.end)
  if (readSync(descriptor, page, 0, layout.end, at) < layout.end) return undefined
  const pageSize = page.readUInt32LE(layout.pageSize)
  const powerOfTwo = pageSize >= 256 && pageSize <= 65536 && (pageSize & (pageSize - 1)) === 0
  if (page.readUInt32LE(layout.magic) !== magic || !powerOfTwo) return undefined
  return {
    pageSize,
    lastPage: Number(page.readBigUInt64LE(layout.lastPage)),
    transaction: Number(page.readBigUInt64LE(layout.transaction)),
  }
}

function corrupt(path: string, why: string): StoreError {
  return new StoreError('corrupt', `cannot open store file "${path}": ${why}`)
}
