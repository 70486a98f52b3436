// Stops a cluster from outside, and removes what it kept.
import * as fs from 'node:fs'
import * as path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { ClusterError } from './cluster-error.ts'
import { clusterPlace, runtimeDirOf } from './config.ts'
import { clearDeadRun, findRunState } from './run-state.ts'

const stopTimeoutMs = 30_000
const pollMs = 50

/** Resolves once the cluster's process is gone; false when none ran. */
export async function stopCluster(dataDir: string): Promise<boolean> {
  const found = findRunState(dataDir)
  if (!found) return false
  if (!found.alive) {
    clearDeadRun(dataDir)
    return false
  }
  signal(found.state.pid, 'SIGTERM')
  const deadlineMs = performance.now() + stopTimeoutMs
  while (findRunState(dataDir)?.alive) {
    if (performance.now() > deadlineMs) {
      throw new ClusterError(
        `cannot stop the cluster: process ${found.state.pid} still runs after ${stopTimeoutMs / 1000} s; end it with: kill -9 ${found.state.pid}`,
      )
    }
    await delay(pollMs)
  }
  return true
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EPERM') {
      throw new ClusterError(`cannot stop the cluster: process ${pid} belongs to another user`)
    }
  }
}

/** The files a cluster makes in its directory; nothing else there is touched. */
const ownFiles = [
  'run.json',
  'kubeconfig',
  'signpost.log',
  'store',
  'pki',
  'node',
  // Last: as long as it is there, the directory is known to be ours.
  'cluster.json',
] as const

/** False when there is no cluster there; a directory without our mark is left alone. */
export function removeData(dataDir: string): boolean {
  fs.rmSync(runtimeDirOf(dataDir), { recursive: true, force: true })
  if (!clusterPlace({ dataDir }).remembered) return false
  for (const name of ownFiles) fs.rmSync(path.join(dataDir, name), { recursive: true, force: true })
  if (fs.readdirSync(dataDir).length === 0) fs.rmdirSync(dataDir)
  return true
}
