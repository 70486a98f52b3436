// One container as processes: starts the command, carries its output to the log, knows its end.
import { type ChildProcess, spawn } from 'node:child_process'
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { rm } from 'node:fs/promises'
import { constants } from 'node:os'
import { PassThrough, type Readable, type Writable } from 'node:stream'
import type { Clock } from '../../lib/clock.ts'
import { formatFstab } from '../../linux/mount.ts'
import { inNamespaces, type Namespaces } from '../../linux/netns.ts'
import {
  childrenOf,
  closeFd,
  openPipe,
  readablePipe,
  sessionOf,
  signalNumber,
  signalProcess,
  treeOf,
  usageOf,
  writablePipe,
} from '../../linux/process.ts'
import { openPty, type Pty, ptyStream, resizePty, type WindowSize } from '../../linux/pty.ts'
import { ContainerLogWriter, type LogStream } from '../container-log.ts'
import {
  type ContainerConfig,
  type ContainerExit,
  type ContainerUsage,
  type ExecRequest,
  type RunningContainer,
  RuntimeError,
  type StreamSession,
} from '../runtime.ts'
import { startExec } from './exec.ts'
import { toolIn, toolPath } from './host-view.ts'
import { containerCommand, type Ending, endingOf, type Identity } from './launch.ts'
import { type HostView, type Lookup, planRootfs, type RootfsPlan } from './rootfs.ts'

export interface ContainerPlace {
  /** The container's own directory. */
  readonly directory: string
  readonly view: HostView
  readonly dev: string
  readonly shm: string
  readonly namespaces: Namespaces
  readonly pidNamespaceOf: number | undefined
  readonly clock: Clock
  readonly id: string
  onLog(writer: ContainerLogWriter): void
}

/** Output that comes after the program's end was seen (a daemon holds the pipe) is not waited for. */
const drainMs = 1000
/** What the tools say is kept for the error message, up to here. */
const maxToolText = 4096

/** Resolves once the program itself runs. */
export async function startContainer(
  config: ContainerConfig,
  place: ContainerPlace,
): Promise<RunningContainer> {
  const container = new ProcessContainer(config, place)
  await container.start()
  return container
}

class ProcessContainer implements RunningContainer {
  readonly id: string
  startedAtMs = 0
  readonly exited: Promise<ContainerExit>
  readonly #config: ContainerConfig
  readonly #place: ContainerPlace
  readonly #log: ContainerLogWriter
  readonly #taps = new Set<(stream: LogStream, chunk: Buffer) => void>()
  #resolveExited: (exit: ContainerExit) => void = () => {}
  #child: ChildProcess | undefined
  #pid: number | undefined
  #running = false
  #pty: Pty | undefined
  #stdin: Writable | undefined
  #outputs: Promise<void>[] = []
  #toolText = ''

  constructor(config: ContainerConfig, place: ContainerPlace) {
    this.#config = config
    this.#place = place
    this.id = place.id
    this.#log = new ContainerLogWriter(config.logPath, place.clock)
    place.onLog(this.#log)
    this.exited = new Promise((resolve) => {
      this.#resolveExited = resolve
    })
  }

  async start(): Promise<void> {
    try {
      this.#prepare()
      await this.#launch()
    } catch (error) {
      this.#log.end()
      await this.remove()
      throw error instanceof RuntimeError
        ? error
        : new RuntimeError('CreateContainerError', messageOf(error), { cause: error })
    }
    this.#running = true
    this.startedAtMs = this.#place.clock.now()
  }

  #prepare(): void {
    const { directory, view, dev, shm } = this.#place
    const paths = {
      root: `${directory}/root`,
      upper: `${directory}/upper`,
      work: `${directory}/work`,
      dev,
      shm,
    }
    const { rootfs, mounts, files, privileges } = this.#config
    mkdirSync(paths.root, { recursive: true })
    const { privileged } = privileges
    const plan = planRootfs({ view, paths, rootfs, mounts, files, privileged }, hostLookup)
    carryOut(plan)
    writeFileSync(`${directory}/fstab`, formatFstab(plan.mounts))
  }

  #launch(): Promise<void> {
    const { directory, pidNamespaceOf, namespaces } = this.#place
    const { argv, env, workingDir, readOnlyRootfs, tty } = this.#config
    const command = containerCommand(
      {
        ...{ argv, env, workingDir, readOnlyRootfs, tty },
        identity: this.#identity(),
        root: `${directory}/root`,
        fstab: `${directory}/fstab`,
        ...(pidNamespaceOf === undefined ? {} : { pidNamespaceOf }),
      },
      toolPath,
    )
    const [program, ...args] = command.argv
    const tools = openPipe()
    const report = openPipe()
    const io = this.#openStreams()
    const stdio = [io.stdin, io.stdout, tools.writeFd, io.stderr, report.writeFd]
    const child = inNamespaces(namespaces, () =>
      spawn(program, args, { env: command.env, cwd: '/', detached: true, stdio }),
    )
    this.#child = child
    for (const fd of new Set([...stdio, ...io.close])) if (typeof fd === 'number') closeFd(fd)
    readablePipe(tools.readFd).on('data', (chunk: Buffer) => {
      if (this.#toolText.length < maxToolText) this.#toolText += chunk.toString('utf8')
    })
    return this.#awaitReport(child, readablePipe(report.readFd))
  }

  #identity(): Identity {
    const { user, privileges, rootfs } = this.#config
    return { user, privileges, setpriv: toolIn(rootfs ?? '', 'setpriv') }
  }

  /** The program's ends of its streams; ours are connected to the log. */
  #openStreams(): { stdin: number | 'ignore'; stdout: number; stderr: number; close: number[] } {
    if (this.#config.tty) {
      const pty = openPty(`${this.#place.dev}/pts`)
      this.#pty = pty
      const stream = ptyStream(pty.masterFd)
      this.#stdin = stream as unknown as Writable
      this.#collect('stdout', stream)
      return { stdin: pty.slaveFd, stdout: pty.slaveFd, stderr: pty.slaveFd, close: [] }
    }
    const [stdout, stderr] = [openPipe(), openPipe()]
    this.#collect('stdout', readablePipe(stdout.readFd))
    this.#collect('stderr', readablePipe(stderr.readFd))
    if (!this.#config.stdin) {
      return { stdin: 'ignore', stdout: stdout.writeFd, stderr: stderr.writeFd, close: [] }
    }
    const stdin = openPipe()
    this.#stdin = writablePipe(stdin.writeFd)
    this.#stdin.on('error', () => {})
    return { stdin: stdin.readFd, stdout: stdout.writeFd, stderr: stderr.writeFd, close: [] }
  }

  #collect(name: LogStream, stream: Readable): void {
    stream.on('data', (chunk: Buffer) => {
      this.#log.write(name, chunk)
      for (const tap of this.#taps) tap(name, chunk)
    })
    // A terminal whose last user is gone reads EIO, which is its end.
    this.#outputs.push(
      new Promise((resolve) => {
        stream.once('error', () => resolve())
        stream.once('close', () => resolve())
      }),
    )
  }

  async #awaitReport(child: ChildProcess, report: Readable): Promise<void> {
    const ended = new Promise<Ending>((resolve) => {
      child.once('exit', (code, signal) => {
        const number = signal === null ? undefined : constants.signals[signal]
        resolve(endingOf(code, number, this.#toolText))
      })
    })
    const broken = new Promise<never>((_, reject) => child.once('error', reject))
    const text = await Promise.race([readReport(report), broken])
    if (text !== reportOk) {
      const { exitCode } = await Promise.race([ended, broken])
      const reason = text.trim() || this.#toolText.trim() || `the helper exited with ${exitCode}`
      throw new RuntimeError('StartError', reason)
    }
    this.#pid = childrenOf(child.pid!)[0]
    void ended.then((ending) => this.#finish(ending))
  }

  async #finish(ending: Ending): Promise<void> {
    this.#running = false
    const finishedAtMs = this.#place.clock.now()
    this.#killOrphans()
    await Promise.race([Promise.all(this.#outputs), this.#place.clock.sleep(drainMs)])
    this.#log.end()
    this.#stdin?.destroy()
    this.#resolveExited({ ...ending, finishedAtMs })
  }

  /** In a shared pid namespace the kernel does not end what the first process leaves behind. */
  #killOrphans(): void {
    const { pidNamespaceOf } = this.#place
    if (pidNamespaceOf === undefined) return
    const sessions = new Set([this.#child?.pid, this.#pid])
    for (const pid of treeOf(pidNamespaceOf)) {
      if (sessions.has(sessionOf(pid))) signalProcess(pid, 'SIGKILL')
    }
  }

  signal(name: string): void {
    if (this.#running && this.#pid !== undefined) signalProcess(this.#pid, signalNumber(name))
  }

  exec(request: ExecRequest): StreamSession {
    if (!this.#running || this.#pid === undefined) {
      throw new RuntimeError('NotRunning', `container "${this.#config.name}" is not running`)
    }
    const { clock, dev } = this.#place
    const place = { pid: this.#pid, identity: this.#identity(), env: this.#config.env }
    return startExec(request, { ...place, devpts: `${dev}/pts`, clock })
  }

  attach(): StreamSession {
    const stdout = new PassThrough()
    const stderr = this.#config.tty ? undefined : new PassThrough()
    const tap = (stream: LogStream, chunk: Buffer) => {
      const target = stream === 'stderr' ? (stderr ?? stdout) : stdout
      target.write(chunk)
    }
    this.#taps.add(tap)
    const close = () => {
      this.#taps.delete(tap)
      stdout.end()
      stderr?.end()
    }
    const exited = this.exited.then((exit) => {
      close()
      return { exitCode: exit.exitCode }
    })
    return {
      stdin: this.#config.stdin ? this.#stdin : undefined,
      ...{ stdout, stderr, exited, close },
      resize: (size) => this.#resize(size),
    }
  }

  #resize(size: WindowSize): void {
    if (this.#pty && this.#running) resizePty(this.#pty.masterFd, size)
  }

  usage(): ContainerUsage {
    let [cpuSeconds, memoryBytes] = [0, 0]
    if (this.#running && this.#pid !== undefined) {
      for (const pid of treeOf(this.#pid)) {
        const usage = usageOf(pid)
        cpuSeconds += usage?.cpuSeconds ?? 0
        memoryBytes += usage?.residentBytes ?? 0
      }
    }
    return { cpuSeconds, memoryBytes }
  }

  async remove(): Promise<void> {
    if (this.#running) {
      this.signal('SIGKILL')
      await this.exited
    }
    if (this.#child?.exitCode === null && this.#child.signalCode === null)
      this.#child.kill('SIGKILL')
    await rm(this.#place.directory, { recursive: true, force: true, maxRetries: 3 })
  }
}

const reportOk = 'ok\n'

/** "ok" as soon as it is there; anything else when every writer has closed. */
function readReport(report: Readable): Promise<string> {
  return new Promise((resolve) => {
    let text = ''
    report.on('data', (chunk: Buffer) => {
      text += chunk.toString('utf8')
      if (text === reportOk) report.destroy()
    })
    report.once('error', () => report.destroy())
    report.once('close', () => resolve(text))
  })
}

const hostLookup: Lookup = {
  stat(path) {
    const kind = lstatSync(path, { throwIfNoEntry: false })
    if (!kind) return undefined
    if (kind.isSymbolicLink()) return 'link'
    return kind.isDirectory() ? 'directory' : 'file'
  },
  readlink: (path) => readlinkSync(path),
}

/** Replaces what an earlier start of the same attempt may have left. */
function carryOut(plan: RootfsPlan): void {
  for (const path of plan.directories) mkdirSync(path, { recursive: true })
  for (const path of plan.shared) chmodSync(path, 0o1777)
  for (const [path, target] of Object.entries(plan.links)) {
    rmSync(path, { force: true })
    symlinkSync(target, path)
  }
  for (const [path, content] of Object.entries(plan.files)) writeFileSync(path, content)
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
