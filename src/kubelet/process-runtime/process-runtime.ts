// The runtime that needs nothing installed: Pods are ordinary processes in namespaces of their own.
// It keeps no state over a restart: when this process ends, the kernel ends every container.
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import type { Clock } from '../../lib/clock.ts'
import type { Random } from '../../lib/random.ts'
import { mountBind, mountDevpts, mountsBelow, mountTmpfs, unmount } from '../../linux/mount.ts'
import type { ContainerLogWriter } from '../container-log.ts'
import type { PodNetwork } from '../network.ts'
import type { Runtime, Sandbox, SandboxConfig } from '../runtime.ts'
import { probeHostView } from './host-view.ts'
import type { HostView } from './rootfs.ts'
import { startSandbox } from './sandbox.ts'

export interface ProcessRuntimeConfig {
  /** Its own: everything below is made and removed by it. Must not be on an overlay. */
  readonly directory: string
  readonly version: string
}

export interface ProcessRuntimeDeps {
  readonly network: PodNetwork
  readonly clock: Clock
  readonly random: Random
  /** Told of every log that begins, so that readers can follow it. */
  onLog?(writer: ContainerLogWriter): void
}

const devices = ['null', 'zero', 'full', 'random', 'urandom', 'tty']
const deviceLinks = {
  ptmx: 'pts/ptmx',
  fd: '/proc/self/fd',
  stdin: '/proc/self/fd/0',
  stdout: '/proc/self/fd/1',
  stderr: '/proc/self/fd/2',
}

export function createProcessRuntime(
  config: ProcessRuntimeConfig,
  deps: ProcessRuntimeDeps,
): Runtime {
  return new ProcessRuntime(config, deps)
}

class ProcessRuntime implements Runtime {
  readonly name = 'process'
  readonly version: string
  readonly #directory: string
  readonly #deps: ProcessRuntimeDeps
  readonly #sandboxes = new Map<string, Sandbox>()
  #view: HostView | undefined

  constructor(config: ProcessRuntimeConfig, deps: ProcessRuntimeDeps) {
    this.version = config.version
    this.#directory = config.directory
    this.#deps = deps
  }

  async open(): Promise<void> {
    // Containers of any user must get through the directories made here.
    process.umask(0o022)
    await this.#clear()
    mkdirSync(this.#containers, { recursive: true })
    mkdirSync(this.#node, { recursive: true })
    mountTmpfs(this.#node, 'mode=0755')
    this.#makeDev()
    let view = await probeHostView(`${this.#containers}/probe`)
    if (view.binds.length > 0) {
      // Overlays do not stack on every file system (another overlay, NFS), nor above a directory
      // that holds this one: memory always works.
      mountTmpfs(this.#containers, 'mode=0755')
      view = await probeHostView(`${this.#containers}/probe`)
    }
    this.#view = view
  }

  /** Memory of the node, for what must not reach a disk: devices, shared memory. */
  get #node(): string {
    return `${this.#directory}/node`
  }

  get #containers(): string {
    return `${this.#directory}/containers`
  }

  /** Devices are bound from the host, since a user namespace may not make any. */
  #makeDev(): void {
    const dev = `${this.#node}/dev`
    for (const name of ['pts', 'shm']) mkdirSync(`${dev}/${name}`, { recursive: true })
    for (const name of devices) {
      writeFileSync(`${dev}/${name}`, '')
      mountBind(`/dev/${name}`, `${dev}/${name}`)
    }
    for (const [name, target] of Object.entries(deviceLinks)) symlinkSync(target, `${dev}/${name}`)
    mountDevpts(`${dev}/pts`)
  }

  list(): readonly Sandbox[] {
    return [...this.#sandboxes.values()]
  }

  async startSandbox(config: SandboxConfig): Promise<Sandbox> {
    if (!this.#view) throw new Error('cannot start a pod sandbox: the runtime is not open')
    const { network, clock, random } = this.#deps
    const sandbox = await startSandbox(config, {
      directory: `${this.#containers}/${config.podUID}`,
      view: this.#view,
      dev: `${this.#node}/dev`,
      shm: `${this.#node}/shm/${config.podUID}`,
      ...{ network, clock, random },
      onLog: (writer) => this.#deps.onLog?.(writer),
      onRemoved: (removed) => {
        if (this.#sandboxes.get(removed.podUID) === removed) this.#sandboxes.delete(removed.podUID)
      },
    })
    this.#sandboxes.set(config.podUID, sandbox)
    return sandbox
  }

  async close(): Promise<void> {
    await Promise.all(this.list().map((sandbox) => sandbox.remove()))
    await this.#clear()
    this.#view = undefined
  }

  async #clear(): Promise<void> {
    for (const target of mountsBelow(this.#directory)) unmount(target)
    rmSync(this.#node, { recursive: true, force: true })
    await rm(this.#containers, { recursive: true, force: true })
  }
}
