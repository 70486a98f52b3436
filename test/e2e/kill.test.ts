// kill -9 of the API server in a loop of writes: nothing acknowledged may be missing, no revision
// may come twice, and a watch goes on from where it was.
import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import * as fs from 'node:fs'
import * as path from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { configmaps } from '../../src/api/resources.gen.ts'
import type { Client } from '../../src/client/client.ts'
import { createClient } from '../../src/client/resource-client.ts'
import { createTransport } from '../../src/client/transport.ts'
import { eventually } from '../support/cluster.ts'
import { scratchDir } from '../support/tools.ts'

const kills = 50
const writers = 16
const program = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))

let directory: string
beforeAll(() => {
  directory = scratchDir()
  fs.writeFileSync(path.join(directory, 'tokens.csv'), 'secret,admin,1,"system:masters"\n')
})
afterAll(() => fs.rmSync(directory, { recursive: true, force: true }))

interface Server {
  readonly process: ChildProcess
  readonly port: number
}

function start(port: number): Promise<Server> {
  const args = [
    'apiserver',
    '--data-dir',
    path.join(directory, 'data'),
    '--bind-address',
    '127.0.0.1',
    '--advertise-address',
    '192.0.2.1',
    '--secure-port',
    String(port),
  ]
  const child = spawn(
    process.execPath,
    [program, ...args, '--token-auth-file', path.join(directory, 'tokens.csv')],
    {
      env: { ...process.env, SIGNPOST_BUILT: '1' },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  )
  let output = ''
  child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()))
  return new Promise((resolve, reject) => {
    child.stdout.on('data', (chunk: Buffer) => {
      const found = /:(\d+) \(CA/.exec(chunk.toString())
      if (found) resolve({ process: child, port: Number(found[1]) })
    })
    child.once('exit', (code) => reject(new Error(`the API server ended with ${code}: ${output}`)))
  })
}

function clientOf(port: number): Client {
  return createClient(
    createTransport({
      server: `https://127.0.0.1:${port}`,
      insecureSkipTLSVerify: true,
      token: () => 'secret',
      userAgent: 'kill-test',
      timeoutMs: 2000,
    }),
  )
}

it(`the API server, killed ${kills} times while ${writers} clients write, loses nothing acknowledged`, async () => {
  let server = await start(0)
  const { port } = server
  const acknowledged = new Map<string, string>()
  let round = 0
  let writing = true
  const write = async (writer: number) => {
    const client = clientOf(port).resource(configmaps)
    for (let index = 0; writing; index++) {
      const name = `w${writer}-${index}`
      try {
        const created = await client.create({
          metadata: { namespace: 'default', name },
          data: { round: String(round) },
        })
        acknowledged.set(name, created.metadata.resourceVersion!)
      } catch {
        await new Promise((resolve) => setTimeout(resolve, 5))
      }
    }
  }
  await eventually(() => clientOf(port).resource(configmaps).list({ namespace: 'default' }))
  const running = Array.from({ length: writers }, (_, writer) => write(writer))
  for (round = 1; round <= kills; round++) {
    const before = acknowledged.size
    await eventually(async () => {
      if (acknowledged.size < before + writers) throw new Error('no writes yet')
    })
    const gone = new Promise((resolve) => server.process.once('exit', resolve))
    server.process.kill('SIGKILL')
    await gone
    server = await start(port)
  }
  writing = false
  await Promise.all(running)
  const { items } = await clientOf(port).resource(configmaps).list({ namespace: 'default' })
  const present = new Map(items.map((item) => [item.metadata.name, item.metadata.resourceVersion]))
  const missing = [...acknowledged.keys()].filter((name) => !present.has(name))
  const changed = [...acknowledged].filter(([name, version]) => present.get(name) !== version)
  server.process.kill('SIGTERM')
  expect(acknowledged.size).toBeGreaterThan(kills * writers)
  expect(missing).toEqual([])
  expect(changed).toEqual([])
  expect(new Set(acknowledged.values()).size).toBe(acknowledged.size)
}, 150_000)
