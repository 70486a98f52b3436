// From the command to a cluster: `npm start` on an installed tree, a fresh data directory each time.
import { spawn } from 'node:child_process'
import * as fs from 'node:fs'
import * as path from 'node:path'
import { fileURLToPath } from 'node:url'
import { startTestCluster } from '../test/support/cluster.ts'
import { scratchDir, tools } from '../test/support/tools.ts'
import type { Bench, Figure } from './figure.ts'
import { median } from './figure.ts'

const rounds = 5
const root = fileURLToPath(new URL('..', import.meta.url))
/** Measured for kind on a machine like this one; no Docker runs where this bench runs. */
const kindNote = 'kind: 12 to 17 s for a cluster, 47 s until DNS answers (no Docker here)'

interface Round {
  readonly api: number
  readonly dns: number
  readonly apiByNpm: number
  readonly dnsByNpm: number
  readonly resumed: number
  readonly curl: number
}

export const bench: Bench = {
  about: `cold start to a name answered, median of ${rounds}`,
  durability: 'fsync',
  async run(): Promise<readonly Figure[]> {
    const results: Round[] = []
    for (let round = 0; round < rounds; round++) results.push(await measure())
    const of = (pick: (round: Round) => number) => median(results.map(pick))
    return [
      {
        name: 'signpost up -> API ready',
        unit: 's',
        ours: of((r) => r.api),
        target: 0.6,
        peerNote: kindNote,
      },
      {
        name: 'signpost up -> name answered',
        unit: 's',
        ours: of((r) => r.dns),
        target: 1.5,
        peerNote: kindNote,
      },
      { name: 'npm start -> API ready', unit: 's', ours: of((r) => r.apiByNpm) },
      { name: 'npm start -> name answered', unit: 's', ours: of((r) => r.dnsByNpm) },
      { name: 'up again on the same data -> name answered', unit: 's', ours: of((r) => r.resumed) },
      {
        name: 'kubectl apply -> curl by name from a Pod',
        unit: 's',
        ours: of((r) => r.curl),
        target: 3,
      },
    ]
  },
}

async function measure(): Promise<Round> {
  const directory = scratchDir()
  try {
    const first = await startTestCluster({ directory, args: ['--port', '0'] })
    const api = first.secondsTo('API server')
    const dns = first.secondsTo('cluster DNS')
    const curl = await applyToCurl(first)
    await first.stop()
    const second = await startTestCluster({ directory, args: ['--port', '0'] })
    const resumed = second.secondsTo('cluster DNS')
    await second.stop()
    const npm = await byNpm(directory)
    return { api, dns, curl, resumed, apiByNpm: npm.api, dnsByNpm: npm.dns }
  } finally {
    fs.rmSync(directory, { recursive: true, force: true })
  }
}

async function applyToCurl(cluster: Awaited<ReturnType<typeof startTestCluster>>): Promise<number> {
  const startedMs = performance.now()
  await cluster.kubectl('apply', '-k', path.join(root, 'examples/01-first-service'))
  for (;;) {
    const { code } = await cluster.kubectl(
      'exec',
      'deploy/client',
      '--',
      'curl',
      '-sf',
      '--max-time',
      '1',
      'http://echo',
    )
    const seconds = (performance.now() - startedMs) / 1000
    if (code === 0) return seconds
    if (seconds > 30) throw new Error('the example did not answer in 30 s')
  }
}

/** As a user types it: npm's own start is part of the wait. */
function byNpm(directory: string): Promise<{ api: number; dns: number }> {
  const dataDir = path.join(directory, 'npm')
  const env = {
    ...process.env,
    HOME: directory,
    KUBECONFIG: path.join(directory, 'kubeconfig-npm'),
    NO_COLOR: '1',
    XDG_RUNTIME_DIR: '',
  }
  const startedMs = performance.now()
  const up = [
    'start',
    '--silent',
    '--',
    '--data-dir',
    dataDir,
    '--port',
    '0',
    '--resolv-conf',
    path.join(directory, 'resolv.conf'),
  ]
  const child = spawn('npm', up, {
    cwd: root,
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
  })
  return new Promise((resolve, reject) => {
    let api = Number.NaN
    child.stdout.on('data', (chunk: Buffer) => {
      const seconds = (performance.now() - startedMs) / 1000
      if (chunk.includes('API server')) api = seconds
      if (chunk.includes('cluster DNS')) {
        child.once('exit', () => resolve({ api, dns: seconds }))
        process.kill(-child.pid!, 'SIGTERM')
      }
    })
    child.once('error', reject)
  })
}

// Fetched before the first round, not during it.
tools()
