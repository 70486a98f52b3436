import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openLmdbStore } from './lmdb.ts'

let directory: string

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'signpost-lmdb-'))
})

afterEach(() => rmSync(directory, { recursive: true, force: true }))

const put = (key: string, value: string) =>
  ({ type: 'put', key, value: Buffer.from(value) }) as const

test('openLmdbStore() refuses a directory that another opener holds', async () => {
  const store = await openLmdbStore({ directory })
  await expect(openLmdbStore({ directory })).rejects.toMatchObject({
    code: 'unavailable',
    message: `cannot open store "${directory}": process ${process.pid} has it open`,
  })
  await store.close()
  await (await openLmdbStore({ directory })).close()
})

test('openLmdbStore() takes over the lock of a process that is gone', async () => {
  writeFileSync(join(directory, 'owner'), `${process.pid} 1`)
  await (await openLmdbStore({ directory })).close()
  writeFileSync(join(directory, 'owner'), '4194304 77')
  await (await openLmdbStore({ directory })).close()
})

test('openLmdbStore() calls a file of garbage corrupt instead of crashing', async () => {
  writeFileSync(join(directory, 'data.mdb'), Buffer.alloc(16384, 7))
  await expect(openLmdbStore({ directory })).rejects.toMatchObject({ code: 'corrupt' })
})

test('openLmdbStore() calls a file that was cut short corrupt', async () => {
  const store = await openLmdbStore({ directory })
  for (let index = 0; index < 20; index++) {
    await store.commit([], [put(`/${index}`, 'x'.repeat(5000))])
  }
  await store.close()
  truncateSync(join(directory, 'data.mdb'), 3 * 4096)
  await expect(openLmdbStore({ directory })).rejects.toMatchObject({ code: 'corrupt' })
})

// Writes as fast as it can and prints each revision once its commit was acknowledged.
const writer = `
  const { openLmdbStore } = await import(process.argv[1])
  const store = await openLmdbStore({ directory: process.argv[2] })
  for (let lane = 0; lane < 16; lane++) void (async () => {
    for (let n = 0; ; n++) {
      const key = '/' + lane + '/' + n
      const put = { type: 'put', key, value: Buffer.from(key.repeat(40)) }
      const { revision } = await store.commit([{ key, modRevision: 0 }], [put])
      process.stdout.write(revision + ' ' + key + '\\n')
    }
  })()
`

/** The acknowledgements that a writer killed in full flight had printed. */
async function writeUntilKilled(acknowledgements: number): Promise<string[]> {
  const door = new URL('./lmdb.ts', import.meta.url).href
  const args = ['--import', 'tsx', '--input-type=module', '-e', writer, door, directory]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  let output = ''
  child.stdout.on('data', (chunk) => {
    output += chunk
    if (output.split('\n').length > acknowledgements) child.kill('SIGKILL')
  })
  await new Promise((resolve) => child.on('close', resolve))
  return output.split('\n').slice(0, -1)
}

test('no acknowledged commit is lost to kill -9, and no revision is used twice', async () => {
  const lines = await writeUntilKilled(400)
  const store = await openLmdbStore({ directory })
  for (const line of lines) {
    const [revision, key] = line.split(' ')
    const entry = await store.get(key!)
    expect(entry?.modRevision).toBe(Number(revision))
    expect(Buffer.from(entry!.value).toString()).toBe(key!.repeat(40))
  }
  expect(lines.length).toBeGreaterThanOrEqual(400)
  const revisions = lines.map((line) => Number(line.split(' ')[0]))
  expect(new Set(revisions).size).toBe(revisions.length)
  expect(store.revision()).toBeGreaterThanOrEqual(Math.max(...revisions))
  await store.close()
})
