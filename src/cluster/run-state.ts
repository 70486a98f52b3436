// Which process runs a cluster: a file beside its data that other commands read.
import * as fs from 'node:fs'
import * as path from 'node:path'

export interface RunState {
  readonly pid: number
  /** From /proc/PID/stat, so that a reused pid is not taken for ours. */
  readonly startTime: string
  readonly port: number
  readonly version: string
  readonly startedAt: string
  readonly rootless: boolean
  readonly kubeconfig: string
  /** The outermost process of the node, whose namespaces are the node's. */
  readonly agentPid?: number
}

const fileOf = (dataDir: string) => path.join(dataDir, 'run.json')

export function writeRunState(dataDir: string, state: Omit<RunState, 'startTime'>): void {
  const text = JSON.stringify({ ...state, startTime: startTimeOf(state.pid) ?? '' })
  fs.writeFileSync(`${fileOf(dataDir)}.new`, `${text}\n`)
  fs.renameSync(`${fileOf(dataDir)}.new`, fileOf(dataDir))
}

export function clearRunState(dataDir: string): void {
  fs.rmSync(fileOf(dataDir), { force: true })
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
