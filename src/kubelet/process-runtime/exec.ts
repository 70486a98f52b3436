// A command run inside a container that already runs, with or without a terminal.
import { type ChildProcess, spawn } from 'node:child_process'
import { constants } from 'node:os'
import { PassThrough, type Readable, type Writable } from 'node:stream'
import type { Clock } from '../../lib/clock.ts'
import {
  closeFd,
  openPipe,
  readablePipe,
  signalProcess,
  treeOf,
  writablePipe,
} from '../../linux/process.ts'
import { openPty, ptyStream, resizePty } from '../../linux/pty.ts'
import type { ExecRequest, StreamSession } from '../runtime.ts'
import { findTool } from './host-view.ts'
import { execCommand, type Identity } from './launch.ts'

export interface ExecPlace {
  /** The container's first process. */
  readonly pid: number
  readonly identity: Identity
  readonly env: Readonly<Record<string, string>>
  readonly devpts: string
  readonly clock: Clock
}

export function startExec(request: ExecRequest, place: ExecPlace): StreamSession {
  return request.tty ? startWithTerminal(request, place) : startWithPipes(request, place)
}

function startWithPipes(request: ExecRequest, place: ExecPlace): StreamSession {
  const [stdout, stderr] = [openPipe(), openPipe()]
  const stdin = request.stdin ? openPipe() : undefined
  const stdio = [stdin?.readFd ?? 'ignore', stdout.writeFd, stderr.writeFd] as const
  const child = spawnIn(execCommand(place.pid, request.argv, place.identity), place.env, {
    stdio,
    detached: true,
  })
  const input = stdin && writablePipe(stdin.writeFd)
  input?.on('error', () => {})
  const output = readablePipe(stdout.readFd)
  const errors = readablePipe(stderr.readFd)
  return {
    ...{ stdin: input, stdout: output, stderr: errors },
    exited: endOf(child, [output, errors], place.clock),
    resize: () => {},
    close: () => killTree(child),
  }
}

function startWithTerminal(request: ExecRequest, place: ExecPlace): StreamSession {
  const pty = openPty(place.devpts)
  const stream = ptyStream(pty.masterFd)
  const [tool, ...rest] = execCommand(place.pid, request.argv, place.identity)
  const command = ['setsid', '--ctty', findTool(tool!), ...rest]
  const env = { TERM: 'xterm', ...place.env }
  const child = spawnIn(command, env, {
    stdio: [pty.slaveFd, pty.slaveFd, pty.slaveFd],
    detached: false,
  })
  // EIO is how the master learns that nobody holds the terminal any more: an end, not an error.
  const output = new PassThrough()
  stream.on('error', () => output.end())
  stream.on('end', () => output.end())
  stream.pipe(output, { end: false })
  let open = true
  stream.once('close', () => {
    open = false
  })
  return {
    stdin: request.stdin ? (stream as unknown as Writable) : undefined,
    stdout: output,
    stderr: undefined,
    exited: endOf(child, [output], place.clock),
    resize: (size) => {
      if (open) resizePty(pty.masterFd, size)
    },
    close: () => killTree(child),
  }
}

type Stdio = readonly (number | 'ignore')[]

function spawnIn(
  command: readonly string[],
  env: Readonly<Record<string, string>>,
  io: { readonly stdio: Stdio; readonly detached: boolean },
): ChildProcess {
  const { stdio, detached } = io
  const [program, ...args] = command
  const child = spawn(findTool(program!), args, {
    env: { ...env },
    cwd: '/',
    detached,
    stdio: [...stdio],
  })
  for (const fd of new Set(stdio)) if (typeof fd === 'number') closeFd(fd)
  return child
}

/** The output's end is waited for only so long: a daemon left behind may hold it for ever. */
const drainMs = 1000

function endOf(
  child: ChildProcess,
  outputs: readonly Readable[],
  clock: Clock,
): Promise<{ exitCode: number }> {
  const ended = outputs.map(
    (output) =>
      new Promise<void>((resolve) => {
        output.once('end', resolve)
        output.once('close', resolve)
      }),
  )
  return new Promise((resolve) => {
    child.once('error', () => resolve({ exitCode: 126 }))
    child.once('exit', (code, signal) => {
      const exitCode = code ?? 128 + (signal ? constants.signals[signal] : 0)
      const timer = clock.after(drainMs, () => resolve({ exitCode }))
      void Promise.all(ended).then(() => {
        timer.cancel()
        resolve({ exitCode })
      })
    })
  })
}

/** Killing nsenter alone would leave the command running inside. */
function killTree(child: ChildProcess): void {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
  for (const pid of treeOf(child.pid).reverse()) signalProcess(pid, 'SIGKILL')
}
