// Which process runs a cluster: a file beside its data that other commands read.
import * as fs from 'node:fs'
import * as path from 'node:path'
import { ClusterError } from './cluster-error.ts'

export interface RunState {
  readonly pid: number
  /** From /proc/PID/stat, so that a reused pid is not taken for ours. */
  readonly startTime: string
  /** Absent until the API is served. */
  readonly port?: number
  readonly version: string
  readonly startedAt: string
  readonly rootless: boolean
  /** The flags that name this cluster, with a blank before each: " --name two". */
  readonly flags: string
  /** The outermost process of the node, whose namespaces are the node's. */
  readonly agentPid?: number
}

const fileOf = (dataDir: string) => path.join(dataDir, 'run.json')

/** This process runs the cluster, from the moment it is asked to until nothing of it is left. */
export interface Run {
  update(state: Partial<Omit<RunState, 'pid' | 'startTime'>>): void
  release(): void
}

/** Takes the cluster for this process. Throws ClusterError when another one runs it. */
export function claimRun(dataDir: string, initial: Omit<RunState, 'pid' | 'startTime'>): Run {
  const { pid } = process
  let state: RunState = { ...initial, pid, startTime: startTimeOf(pid) ?? '' }
  const file = fileOf(dataDir)
  const draft = `${file}.${pid}`
  const write = () => fs.writeFileSync(draft, `${JSON.stringify(state)}\n`, { mode: 0o600 })
  write()
  try {
    // link() fails where there is one already; the file is whole from its first moment.
    if (!tryLink(draft, file)) {
      const found = findRunState(dataDir)
      if (found?.alive) throw runningAlready(found.state)
      fs.rmSync(file, { force: true })
      if (!tryLink(draft, file)) throw runningAlready(findRunState(dataDir)?.state)
    }
  } finally {
    fs.rmSync(draft, { force: true })
  }
  return {
    update(change) {
      state = { ...state, ...change }
      write()
      fs.renameSync(draft, file)
    },
    release() {
      if (findRunState(dataDir)?.state.pid === pid) fs.rmSync(file, { force: true })
    },
  }
}

function tryLink(from: string, to: string): boolean {
  try {
    fs.linkSync(from, to)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}

/** Why a second start is refused. */
export function runningAlready(state: RunState | undefined): ClusterError {
  const who = state ? `process ${state.pid}` : 'another process'
  const flags = state?.flags ?? ''
  return new ClusterError(
    `the cluster runs already (${who}); stop it with: signpost down${flags}, or start another with --name`,
  )
}

/** Forgets a run whose process is gone. */
export function clearDeadRun(dataDir: string): void {
  if (findRunState(dataDir)?.alive === false) fs.rmSync(fileOf(dataDir), { force: true })
}

export interface FoundRun {
  readonly state: RunState
  /** False: the process ended without saying so (killed, or the machine went down). */
  readonly alive: boolean
}

export function findRunState(dataDir: string): FoundRun | undefined {
  try {
    const state = JSON.parse(fs.readFileSync(fileOf(dataDir), 'utf8')) as RunState
    return { state, alive: startTimeOf(state.pid) === state.startTime }
  } catch {
    return undefined
  }
}

function startTimeOf(pid: number): string | undefined {
  try {
    const stat = fs.readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The command may hold spaces and parentheses; fields are counted from its end.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]
  } catch {
    return undefined
  }
}
