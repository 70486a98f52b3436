// A Pod's files on this node that are no volumes: hosts and resolv.conf, last words, logs.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import type { Pod } from '../api/types/core.gen.ts'
import type { NodeFacts } from './node-facts.ts'

export class PodFiles {
  readonly directory: string
  readonly #logs: string

  constructor(pod: Pod, node: NodeFacts) {
    const { namespace, name, uid } = pod.metadata
    this.directory = `${node.podsDirectory}/${uid}`
    this.#logs = `${node.logDirectory}/pods/${namespace}_${name}_${uid}`
  }

  /** Every container of the Pod sees the same two. */
  writeNetworkFiles(files: { readonly hosts: string; readonly resolvConf: string }): void {
    mkdirSync(this.directory, { recursive: true, mode: 0o750 })
    writeFileSync(`${this.directory}/hosts`, files.hosts)
    writeFileSync(`${this.directory}/resolv.conf`, files.resolvConf)
  }

  logPath(container: string, attempt: number): string {
    return `${this.#logs}/${container}/${attempt}.log`
  }

  async removeLog(container: string, attempt: number): Promise<void> {
    if (attempt >= 0) await rm(this.logPath(container, attempt), { force: true })
  }

  /** An empty file for a new instance to leave its last words in. */
  makeTerminationLog(container: string, attempt: number): string {
    const path = `${this.directory}/termination/${container}-${attempt}`
    mkdirSync(`${this.directory}/termination`, { recursive: true })
    writeFileSync(path, '')
    return path
  }

  removeTerminationLogs(): void {
    rmSync(`${this.directory}/termination`, { recursive: true, force: true })
  }

  /** Everything, when the Pod's object goes. */
  async remove(): Promise<void> {
    await rm(this.directory, { recursive: true, force: true })
    await rm(this.#logs, { recursive: true, force: true })
  }
}

/** The node's own, for Pods that share its network. */
export function readNodeHosts(): string {
  return readTail('/etc/hosts', 1024 * 1024)
}

/** The end of a file; empty when there is none. */
export function readTail(path: string, bytes: number): string {
  try {
    return readFileSync(path).subarray(-bytes).toString('utf8')
  } catch {
    return ''
  }
}
