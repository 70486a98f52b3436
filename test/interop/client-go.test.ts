// A program written against client-go, unmodified, against the API server alone. Building it takes some
// minutes the first time, so it is built when asked for (SIGNPOST_CLIENT_GO=1) and kept in the tools' cache.
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import * as fs from 'node:fs'
import * as path from 'node:path'
import { describe, expect, test } from 'vitest'
import { toolCacheDir } from '../../src/cluster/kubectl-cache.ts'
import { startServer } from './server.ts'

const directory = path.join(import.meta.dirname, 'client-go')
const buildMs = 600_000

/** The program's name tells what it was built from. */
function programPath(): string {
  const hash = createHash('sha256')
  for (const file of ['main.go', 'go.mod', 'go.sum'])
    hash.update(fs.readFileSync(path.join(directory, file)))
  return path.join(toolCacheDir(), `client-go-${hash.digest('hex').slice(0, 16)}`)
}

function findGo(): string | undefined {
  const places = [...(process.env['PATH'] ?? '').split(path.delimiter), '/usr/local/go/bin']
  return places.map((place) => path.join(place, 'go')).find((file) => fs.existsSync(file))
}

const program = programPath()
const go = findGo()
const isWanted = process.env['SIGNPOST_CLIENT_GO'] === '1'

const missing = fs.existsSync(program)
  ? undefined
  : go === undefined
    ? 'skipped: there is no Go here'
    : isWanted
      ? undefined
      : 'skipped: not built yet; SIGNPOST_CLIENT_GO=1 builds it once'

function build(): void {
  if (fs.existsSync(program)) return
  fs.mkdirSync(toolCacheDir(), { recursive: true })
  const fresh = `${program}.${process.pid}`
  execFileSync(go!, ['build', '-o', fresh, '.'], { cwd: directory, stdio: 'pipe' })
  fs.renameSync(fresh, program)
}

describe('client-go', () => {
  test.skipIf(missing !== undefined)(
    `informers start with a WatchList, and one of two candidates leads${missing ? ` (${missing})` : ''}`,
    async () => {
      build()
      const server = await startServer()
      try {
        const { code, stdout, stderr } = await server.run(program, server.kubeconfig)
        expect(code, stderr).toBe(0)
        // It would say that it falls back to a list.
        expect(stderr).not.toMatch(/watch-?list/i)
        expect(JSON.parse(stdout)).toEqual({
          initial: 5,
          added: 20,
          updated: 1,
          deleted: 3,
          left: 22,
          data: 'changed',
          leaders: 'first second',
          transitions: 1,
        })
      } finally {
        await server.stop()
      }
    },
    buildMs,
  )
})
