// What a plugin is: a record that reads its lines, and what it becomes in a running server block.
import type { Serve, Timeouts } from './chain.ts'
import type { Line } from './corefile.ts'
import type { Host } from './host.ts'
import type { Scheme } from './zone-names.ts'

/** A plugin made live in one server block. */
export interface Instance {
  serve?(next: Serve): Serve
  /** Before the listeners open; a rejection fails the start. */
  start?(): Promise<void> | void
  /** Once the listeners are open. */
  listening?(): void
  /** Asked by the ready plugin; absent: always. */
  ready?(): boolean
  /** At the start of a shutdown, while queries are still answered; the shutdown waits for it. */
  freeze?(): Promise<void> | void
  stop?(): Promise<void> | void
}

export interface TlsFiles {
  readonly cert: string
  readonly key: string
  /** Whose client certificates are known. */
  readonly ca?: string
  readonly clients: 'nocert' | 'request' | 'require' | 'verify_if_given' | 'require_and_verify'
}

export interface BlockSettings {
  readonly bind?: readonly string[]
  /** Queries of other classes than IN are let in. */
  readonly anyClass?: boolean
  readonly timeouts?: Timeouts
  /** Of the block's tls:// listeners. */
  readonly tls?: TlsFiles
}

/** A plugin as configured: checked, not yet alive. */
export interface Part {
  readonly settings?: BlockSettings
  create?(host: Host): Instance
}

export interface BlockFacts {
  readonly zones: readonly string[]
  readonly schemes: readonly Scheme[]
  readonly port: number
}

export interface Plugin {
  readonly name: string
  /** Reads all its lines of one block. Opens nothing; throws CorefileError for what it cannot serve. */
  parse(lines: readonly Line[], block: BlockFacts): Part
}
