// The kubelet's directory: Pods, logs, a memory file system for secrets; and what it reads of the host.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { mountsBelow, mountTmpfs, unmount } from '../linux/mount.ts'
import { defaultPath } from './image.ts'

export class StateDirectory {
  readonly #root: string
  readonly logs: string

  constructor(root: string, logs = `${root}/logs`) {
    this.#root = root
    this.logs = logs
  }

  get pods(): string {
    return `${this.#root}/pods`
  }

  get memory(): string {
    return `${this.#root}/memory`
  }

  /** Clears mounts that an earlier run left, if it died in the same mount namespace. */
  open(): void {
    this.close()
    for (const directory of [this.pods, this.logs, this.memory]) {
      mkdirSync(directory, { recursive: true, mode: 0o755 })
    }
    mountTmpfs(this.memory, 'mode=0755')
  }

  close(): void {
    for (const target of mountsBelow(this.#root)) unmount(target)
  }

  /** What an earlier run left of Pods that no longer exist. */
  clearOrphans(alive: ReadonlySet<string | undefined>): void {
    for (const uid of readdirSync(this.pods)) {
      if (!alive.has(uid)) rmSync(`${this.pods}/${uid}`, { recursive: true, force: true })
    }
    const logs = `${this.logs}/pods`
    for (const name of existsSync(logs) ? readdirSync(logs) : []) {
      const uid = name.slice(name.lastIndexOf('_') + 1)
      if (!alive.has(uid)) rmSync(`${logs}/${name}`, { recursive: true, force: true })
    }
  }
}

export function readHostFile(path: string): string {
  return readFileSync(path, 'utf8')
}

/** Whether the host has a program, by its path or in the usual directories. */
export function hasProgram(name: string): boolean {
  if (name.includes('/')) return existsSync(name)
  return defaultPath.split(':').some((directory) => existsSync(`${directory}/${name}`))
}
