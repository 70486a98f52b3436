// Idle memory of a whole cluster: proportional set size (PSS) of all its processes, summed.
import { setTimeout as delay } from 'node:timers/promises'
import { startTestCluster } from '../test/support/cluster.ts'
import { descendants, readText } from '../test/support/processes.ts'
import type { Bench, Figure } from './figure.ts'

const settleMs = 15_000

export const bench: Bench = {
  about: `idle cluster, all processes, ${settleMs / 1000} s after DNS answered`,
  durability: 'fsync',
  async run(): Promise<readonly Figure[]> {
    const cluster = await startTestCluster({ args: ['--port', '0'] })
    try {
      await delay(settleMs)
      const processes = descendants(cluster.process.pid!)
      const sizes = processes
        .map((pid) => ({ pid, title: titleOf(pid), mib: pssMiB(pid) }))
        .filter(({ mib }) => mib > 1)
      const total = sizes.reduce((sum, { mib }) => sum + mib, 0)
      return [
        { name: 'all processes', unit: 'MiB', ours: total, target: 350, peerNote: 'aim: 200' },
        ...sizes.map(({ title, mib }) => ({
          name: `  ${title}`,
          unit: 'MiB',
          ours: mib,
          peerNote: '',
        })),
      ]
    } finally {
      await cluster.stop()
    }
  },
}

const pssMiB = (pid: number) =>
  Number(/^Pss:\s+(\d+)/m.exec(readText(`/proc/${pid}/smaps_rollup`))?.[1] ?? 0) / 1024

const titleOf = (pid: number) =>
  readText(`/proc/${pid}/cmdline`)
    .split('\0')
    .map((part) => part.split('/').slice(-2).join('/'))
    .join(' ')
    .slice(0, 48)
