import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import { FakeClock } from '../lib/fake-clock.ts'
import { ContainerLogWriter, splitLines } from './container-log.ts'
import { ContainerLogs, type LogOptions, type LogSink } from './container-logs.ts'

const directory = mkdtempSync(join(tmpdir(), 'signpost-log-'))
afterAll(() => rmSync(directory, { recursive: true }))
let files = 0

function writer(clock = new FakeClock()) {
  const logs = new ContainerLogs()
  const log = new ContainerLogWriter(join(directory, String(files++), '0.log'), clock)
  logs.add(log)
  return { clock, logs, log, write: (text: string) => log.write('stdout', Buffer.from(text)) }
}

/** What a reader was given so far. */
function sink() {
  const abort = new AbortController()
  const state = { text: '' }
  const target: LogSink = {
    closed: abort.signal,
    write: (bytes) => {
      state.text += bytes.toString('utf8')
      return true
    },
    drained: () => Promise.resolve(),
  }
  return { state, target, abort }
}

async function read(
  at: ReturnType<typeof writer>,
  options: Partial<LogOptions> = {},
): Promise<string> {
  const { state, target } = sink()
  await at.logs.read(at.log.path, { follow: false, timestamps: false, ...options }, target)
  return state.text
}

describe('ContainerLogWriter', () => {
  it('writes full lines as F, the rest at the end as P (LG1)', () => {
    const { log, write } = writer()
    write('one\ntw')
    log.write('stderr', Buffer.from('oops\n'))
    write('o\nthree')
    log.end()
    const time = '2026-01-01T00:00:00.000Z'
    expect(readFileSync(log.path, 'utf8')).toBe(
      [
        `${time} stdout F one`,
        `${time} stderr F oops`,
        `${time} stdout F two`,
        `${time} stdout P three`,
        '',
      ].join('\n'),
    )
  })

  it('rotates at 10 MiB and keeps five files', () => {
    const { log } = writer()
    const line = Buffer.from(`${'x'.repeat(16_000)}\n`.repeat(60))
    for (let mebibytes = 0; mebibytes < 70; mebibytes++) log.write('stdout', line)
    log.end()
    expect(readdirSync(join(log.path, '..')).sort()).toEqual([
      '0.log',
      '0.log.1',
      '0.log.2',
      '0.log.3',
      '0.log.4',
    ])
  })
})

describe('splitLines()', () => {
  it('gives back every byte, whatever the pieces', () => {
    const bytes = fc.uint8Array({ maxLength: 200 }).map((array) => Buffer.from(array))
    fc.assert(
      fc.property(bytes, (input) => {
        const { parts, remainder } = splitLines(input)
        const joined = parts.map(({ text, full }) =>
          Buffer.concat([text, Buffer.from(full ? '\n' : '')]),
        )
        expect(Buffer.concat([...joined, remainder]).equals(input)).toBe(true)
      }),
    )
  })
})

describe('ContainerLogs.read() (C74)', () => {
  it('gives whole lines, however long (20 KiB)', async () => {
    const at = writer()
    const long = 'y'.repeat(20 * 1024)
    at.write(`${long}\nend`)
    at.log.end()
    expect(await read(at)).toBe(`${long}\nend`)
  })

  it('gives the last lines, from a time on, with times, one stream, so many bytes', async () => {
    const at = writer()
    at.write('1\n2\n')
    await at.clock.advance(60_000)
    at.write('3\n')
    at.log.write('stderr', Buffer.from('e\n'))
    expect(await read(at, { tailLines: 2 })).toBe('3\ne\n')
    expect(await read(at, { tailLines: 0 })).toBe('')
    expect(await read(at, { tailLines: 99 })).toBe('1\n2\n3\ne\n')
    expect(await read(at, { sinceMs: at.clock.now() - 1000 })).toBe('3\ne\n')
    expect(await read(at, { timestamps: true, tailLines: 1 })).toBe('2026-01-01T00:01:00.000Z e\n')
    expect(await read(at, { stream: 'Stderr' })).toBe('e\n')
    expect(await read(at, { limitBytes: 3 })).toBe('1\n2')
  })

  it('follows over a rotation until the container ends', async () => {
    const at = writer()
    at.write('first\n')
    const { state, target } = sink()
    const reading = at.logs.read(at.log.path, { follow: true, timestamps: false }, target)
    const line = `${'x'.repeat(15_999)}\n`
    for (let count = 0; count < 1400; count++) {
      at.write(line)
      if (count % 100 === 0) await new Promise((resolve) => setImmediate(resolve))
    }
    at.write('last\n')
    at.log.end()
    await reading
    expect(state.text.length).toBe('first\nlast\n'.length + 1400 * line.length)
    expect(state.text.endsWith('last\n')).toBe(true)
  })

  it('stops following when the reader leaves', async () => {
    const at = writer()
    const { target, abort } = sink()
    const reading = at.logs.read(at.log.path, { follow: true, timestamps: false }, target)
    abort.abort()
    await reading
    at.log.end()
  })
})
