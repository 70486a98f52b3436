// A Pod's namespaces, held by descriptors alone, and the containers that run in them.
import { type ChildProcess, spawn } from 'node:child_process'
import { chmodSync, mkdirSync, rmSync } from 'node:fs'
import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Clock } from '../../lib/clock.ts'
import type { Random } from '../../lib/random.ts'
import { syscall } from '../../linux/ffi.ts'
import {
  closeNamespaces,
  createNamespaces,
  inNetns,
  type Namespaces,
  setHostname,
} from '../../linux/netns.ts'
import { childrenOf } from '../../linux/process.ts'
import type { ContainerLogWriter } from '../container-log.ts'
import type { PodNetwork } from '../network.ts'
import {
  type ContainerConfig,
  type RunningContainer,
  RuntimeError,
  type Sandbox,
  type SandboxConfig,
} from '../runtime.ts'
import { startContainer } from './container.ts'
import { toolPath } from './host-view.ts'
import { pidHolderCommand } from './launch.ts'
import type { HostView } from './rootfs.ts'

export interface SandboxPlace {
  /** The Pod's own directory for containers. */
  readonly directory: string
  readonly view: HostView
  readonly dev: string
  /** Becomes /dev/shm of all its containers. */
  readonly shm: string
  readonly network: PodNetwork
  readonly clock: Clock
  readonly random: Random
  onLog(writer: ContainerLogWriter): void
  onRemoved(sandbox: Sandbox): void
}

export async function startSandbox(config: SandboxConfig, place: SandboxPlace): Promise<Sandbox> {
  const sandbox = new ProcessSandbox(config, place)
  await sandbox.open()
  return sandbox
}

class ProcessSandbox implements Sandbox {
  readonly podUID: string
  ips: readonly string[] = []
  readonly #config: SandboxConfig
  readonly #place: SandboxPlace
  readonly #containers = new Set<RunningContainer>()
  #namespaces: Namespaces = {}
  #pidHolder: { readonly child: ChildProcess; readonly pid: number } | undefined
  #removed: Promise<void> | undefined

  constructor(config: SandboxConfig, place: SandboxPlace) {
    this.#config = config
    this.#place = place
    this.podUID = config.podUID
  }

  async open(): Promise<void> {
    const { hostname, hostNetwork, shareProcessNamespace, podUID } = this.#config
    try {
      mkdirSync(this.#place.shm, { recursive: true })
      // Not by mkdir's mode: the umask would cut it.
      chmodSync(this.#place.shm, 0o1777)
      if (hostNetwork) this.#namespaces = createNamespaces(['ipc'])
      else {
        this.#namespaces = createNamespaces(['net', 'uts', 'ipc'], () => setHostname(hostname))
        this.ips = this.#place.network.add(podUID, this.#namespaces.net!)
      }
      if (shareProcessNamespace) this.#pidHolder = await holdPidNamespace()
    } catch (cause) {
      await this.remove()
      const reason = cause instanceof Error ? cause.message : String(cause)
      throw new RuntimeError('SandboxError', `failed to create pod sandbox: ${reason}`, { cause })
    }
  }

  async start(config: ContainerConfig): Promise<RunningContainer> {
    if (this.#removed) throw new RuntimeError('StartError', 'the pod sandbox is gone')
    const { directory, view, dev, shm, clock, random, onLog } = this.#place
    const container = await startContainer(config, {
      directory: `${directory}/${config.name}/${config.attempt}`,
      ...{ view, dev, shm, clock, onLog },
      id: Buffer.from(random.bytes(32)).toString('hex'),
      namespaces: this.#namespaces,
      pidNamespaceOf: this.#pidHolder?.pid,
    })
    this.#containers.add(container)
    void container.exited.then(() => this.#containers.delete(container))
    return container
  }

  async dial(port: number): Promise<Duplex> {
    try {
      return await this.#dial({ family: AF_INET, host: '127.0.0.1', port })
    } catch (error) {
      return this.#dial({ family: AF_INET6, host: '::1', port }).catch(() => {
        throw error
      })
    }
  }

  /** A socket belongs to the namespace it was made in, wherever the thread is when it connects. */
  #dial(target: { family: number; host: string; port: number }): Promise<Duplex> {
    const { net } = this.#namespaces
    const open = () => syscall('socket', target.family, SOCK_STREAM_NONBLOCK_CLOEXEC, 0)
    const fd = net === undefined ? open() : inNetns(net, open)
    // manualStart: reading from a socket that is not yet connected would fail at once.
    const options = { fd, readable: true, writable: true, allowHalfOpen: true, manualStart: true }
    const socket = new Socket(options)
    return new Promise((resolve, reject) => {
      socket.once('error', reject)
      socket.connect({ host: target.host, port: target.port }, () => {
        socket.off('error', reject)
        resolve(socket)
      })
    })
  }

  remove(): Promise<void> {
    this.#removed ??= this.#remove()
    return this.#removed
  }

  async #remove(): Promise<void> {
    await Promise.all([...this.#containers].map((container) => container.remove()))
    this.#pidHolder?.child.kill('SIGKILL')
    if (!this.#config.hostNetwork) this.#place.network.del(this.podUID)
    closeNamespaces(this.#namespaces)
    rmSync(this.#place.shm, { recursive: true, force: true })
    rmSync(this.#place.directory, { recursive: true, force: true })
    this.#place.onRemoved(this)
  }
}

const AF_INET = 2
const AF_INET6 = 10
const SOCK_STREAM_NONBLOCK_CLOEXEC = 0x1 | 0x800 | 0x80000

/** A pid namespace needs a first process of its own, which outlives every container. */
async function holdPidNamespace(): Promise<{ child: ChildProcess; pid: number }> {
  const [program, ...args] = pidHolderCommand
  const child = spawn(program, args, {
    env: { PATH: toolPath },
    cwd: '/',
    detached: true,
    stdio: ['ignore', 'ignore', 'ignore', 'pipe'],
  })
  await new Promise<void>((resolve, reject) => {
    child.stdio[3]!.once('data', () => resolve())
    child.once('error', reject)
    child.once('exit', (code) => reject(new Error(`the pid namespace ended with ${code}`)))
  })
  return { child, pid: childrenOf(child.pid!)[0]! }
}
