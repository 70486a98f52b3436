// What the controllers leave in the API, held to recordings of Kubernetes 1.36: scenarios of API calls
// against the API server, controllers and scheduler. They lie beside the repository, not in it.
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import * as path from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, expect, test } from 'vitest'
import { startApiserver } from '../../src/apiserver/apiserver.ts'
import { createClient } from '../../src/client/resource-client.ts'
import { loadPki } from '../../src/cluster/pki.ts'
import type { ControllersConfig } from '../../src/controllers/controllers.ts'
import { startControllers } from '../../src/controllers/controllers.ts'
import { systemClock } from '../../src/lib/clock.ts'
import type { Component } from '../../src/lib/component.ts'
import { silentLogger } from '../../src/lib/log.ts'
import { systemRandom } from '../../src/lib/random.ts'
import { startScheduler } from '../../src/scheduler/scheduler.ts'
import { openMemoryStore } from '../../src/store/memory.ts'

const shared = fileURLToPath(new URL('../../../shared', import.meta.url))
const player = path.join(shared, 'tools', 'replay-controllers.mjs')
const recordings = path.join(shared, 'golden', 'v1.36', 'controllers')
const isHere = existsSync(player) && existsSync(recordings)
const because = isHere ? '' : ' (skipped: no recordings in ../shared)'

const directory = mkdtempSync(path.join(tmpdir(), 'signpost-scenarios-'))
afterAll(() => rmSync(directory, { recursive: true, force: true }))

interface Profile {
  readonly serviceClusterIPRange: readonly string[]
  readonly controllers: Partial<ControllersConfig>
}

const ipv4 = { services: '10.96.0.0/16', pods: '10.244.0.0/16' }
const ipv6 = { services: 'fd00:10:96::/112', pods: 'fd00:10:244::/48' }

/** As the recordings' README describes them. */
const profiles = {
  base: {
    serviceClusterIPRange: [ipv4.services],
    controllers: { clusterCIDRs: [ipv4.pods], horizontalPodAutoscalerSyncPeriodMs: 2000 },
  },
  dual: {
    serviceClusterIPRange: [ipv4.services, ipv6.services],
    controllers: { clusterCIDRs: [ipv4.pods, ipv6.pods] },
  },
  node: {
    serviceClusterIPRange: [ipv4.services],
    controllers: {
      clusterCIDRs: [ipv4.pods],
      nodeMonitorPeriodMs: 1000,
      nodeMonitorGracePeriodMs: 8000,
      nodeStartupGracePeriodMs: 10_000,
      nodeEvictionRate: 10,
      terminatedPodGcThreshold: 3,
    },
  },
} satisfies Readonly<Record<string, Profile>>

async function startControlPlane(name: keyof typeof profiles) {
  const { serviceClusterIPRange, controllers }: Profile = profiles[name]
  const apiserverNames = ['localhost', '127.0.0.1']
  const pki = await loadPki(
    {
      directory: path.join(directory, name),
      nodeName: 'localhost',
      nodeAddresses: [],
      apiserverNames,
    },
    Date.now(),
  )
  const common = { clock: systemClock, random: systemRandom, log: silentLogger }
  const api = await startApiserver(
    {
      bindAddress: '127.0.0.1',
      securePort: 0,
      advertiseAddress: '192.168.50.2',
      tlsCert: pki.apiserver.cert,
      tlsPrivateKey: pki.apiserver.key,
      tokenAuth: [{ token: 'admin', user: 'admin', uid: '', groups: ['system:masters'] }],
      serviceClusterIPRange,
      serviceAccountIssuer: 'https://kubernetes.default.svc.cluster.local',
      serviceAccountSigningKey: pki.serviceAccountKey,
    },
    { ...common, store: openMemoryStore() },
  )
  const as = (name: string) =>
    createClient(api.transportFor({ name, groups: ['system:masters', 'system:authenticated'] }))
  const config = { rootCA: pki.ca.cert, serviceAccountPrivateKey: pki.serviceAccountKey }
  const parts: Component[] = [
    await startScheduler({}, { ...common, client: as('system:kube-scheduler') }),
    await startControllers(
      { ...config, ...controllers },
      { ...common, client: as('system:kube-controller-manager') },
    ),
  ]
  await Promise.all(parts.map((part) => part.ready()))
  const stop = async () => {
    for (const part of [...parts, api]) await part.stop()
  }
  return { server: `https://127.0.0.1:${api.port}`, stop }
}

/** Its last line, below what failed. */
function play(server: string, options: readonly string[]): Promise<string> {
  const child = spawn(
    process.execPath,
    [player, '--server', server, '--insecure', '--token', 'admin', ...options, recordings],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  )
  const lines: string[] = []
  const keep = (text: Buffer) => lines.push(text.toString())
  child.stdout.on('data', keep)
  child.stderr.on('data', keep)
  return new Promise((resolve) => {
    child.on('close', () =>
      resolve(
        lines
          .join('')
          .replaceAll(/^pass .*\n/gm, '')
          .trim(),
      ),
    )
  })
}

async function check(
  name: keyof typeof profiles,
  expected: string,
  options: readonly string[] = [],
): Promise<void> {
  const plane = await startControlPlane(name)
  try {
    expect(await play(plane.server, ['--profile', name, ...options])).toBe(expected)
  } finally {
    await plane.stop()
  }
}

const timeout = 180_000

const scenario = isHere ? test.concurrent : test.skip

scenario(
  `the controllers leave what Kubernetes' leave${because}`,
  // CronJobs are left out: they wait for the minute.
  () => check('base', '105 passed, 0 failed', ['--jobs', '12', '--only', '^(?!cron-)']),
  timeout,
)

scenario(
  `the same in dual stack${because}`,
  () => check('dual', '6 passed, 0 failed', ['--jobs', '6']),
  timeout,
)

scenario(
  `the same for Nodes that fall silent${because}`,
  () => check('node', '3 passed, 0 failed', ['--jobs', '1', '--beat', '1000']),
  timeout,
)
