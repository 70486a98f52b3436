// Processes as the kernel shows them: children, whole trees, signals by name, real pipes.
import { closeSync, readdirSync, readFileSync } from 'node:fs'
import { Socket } from 'node:net'
import { constants } from 'node:os'
import { syscall } from './ffi.ts'

const O_CLOEXEC = 0x80000

export interface Pipe {
  readonly readFd: number
  readonly writeFd: number
}

/**
 * A pipe, where child_process would make a socket pair: a socket cannot be opened again through
 * /dev/stdout, which is how many programs are told to log.
 */
export function openPipe(): Pipe {
  const fds = Buffer.alloc(8)
  syscall('pipe2', fds, O_CLOEXEC)
  return { readFd: fds.readInt32LE(0), writeFd: fds.readInt32LE(4) }
}

/** The end of a pipe that this process reads. The stream owns the descriptor from now on. */
export function readablePipe(fd: number): Socket {
  return new Socket({ fd, readable: true, writable: false })
}

/** The end of a pipe that this process writes. The stream owns the descriptor from now on. */
export function writablePipe(fd: number): Socket {
  return new Socket({ fd, readable: false, writable: true })
}

export function closeFd(fd: number): void {
  closeSync(fd)
}

/** Direct children, by pid. Empty when there is no such process. */
export function childrenOf(pid: number): number[] {
  const children: number[] = []
  for (const thread of threadsOf(pid)) {
    const text = readOrEmpty(`/proc/${pid}/task/${thread}/children`)
    for (const child of text.split(' ')) if (child.trim() !== '') children.push(Number(child))
  }
  return children
}

function threadsOf(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/task`)
  } catch {
    return []
  }
}

/** The process and all below it, parents first. */
export function treeOf(pid: number): number[] {
  const tree = [pid]
  for (let index = 0; index < tree.length; index++) tree.push(...childrenOf(tree[index]!))
  return tree
}

export interface Usage {
  /** User and system time since the process began. */
  readonly cpuSeconds: number
  readonly residentBytes: number
}

const clockTicksPerSecond = 100
const pageLength = 4096

/** What a process used so far; undefined once it is gone. */
export function usageOf(pid: number): Usage | undefined {
  const text = readOrEmpty(`/proc/${pid}/stat`)
  if (text === '') return undefined
  // The name in parentheses may hold spaces; fields are counted from behind it.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  return {
    cpuSeconds: (Number(fields[11]) + Number(fields[12])) / clockTicksPerSecond,
    residentBytes: Number(fields[21]) * pageLength,
  }
}

/** The session a process belongs to, by the pid of its leader; undefined once it is gone. */
export function sessionOf(pid: number): number | undefined {
  const text = readOrEmpty(`/proc/${pid}/stat`)
  if (text === '') return undefined
  return Number(text.slice(text.lastIndexOf(')') + 2).split(' ')[3])
}

function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

/** Sends a signal; false when the process is gone. */
export function signalProcess(pid: number, signal: NodeJS.Signals | number): boolean {
  try {
    process.kill(pid, signal)
    return true
  } catch {
    return false
  }
}

/** 15 for "SIGTERM"; real-time signals as Kubernetes spells them ("SIGRTMIN+3"). */
export function signalNumber(name: string): number {
  const realTime = /^SIGRT(MIN|MAX)([+-]\d+)?$/.exec(name)
  if (realTime) return (realTime[1] === 'MIN' ? 34 : 64) + Number(realTime[2] ?? 0)
  return constants.signals[name as NodeJS.Signals] ?? constants.signals.SIGTERM
}
