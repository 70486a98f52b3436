// The contract of a revisioned key-value store: what Kubernetes needs of etcd, and no more.
// Bytes and keys only; what they mean is the registry's business.
//
//   revision 7: commit([puts and deletes])   one commit, one revision, all or nothing
//   watch(prefix, after 6) -> the events of revision 7, 8, … in order, without gaps

export interface Entry {
  readonly key: string
  readonly value: Uint8Array
  /** Revision of the commit that last wrote this key. */
  readonly modRevision: number
  /** Revision of the commit that created it (since it was last absent). */
  readonly createRevision: number
}

/** What must hold for a commit to happen: 0 means the key is absent. */
export interface Expectation {
  readonly key: string
  readonly modRevision: number
}

export type Write =
  | { readonly type: 'put'; readonly key: string; readonly value: Uint8Array }
  | { readonly type: 'delete'; readonly key: string }

export type CommitResult =
  | { readonly ok: true; readonly revision: number }
  /** The first expectation that failed, with the entry found in its place. Nothing was written. */
  | { readonly ok: false; readonly key: string; readonly found: Entry | undefined }

export interface StoreEvent {
  readonly type: 'put' | 'delete'
  readonly key: string
  readonly revision: number
  /** The new value; for a delete the last one. */
  readonly value: Uint8Array
  /** The value this write replaced; absent for a key that did not exist. */
  readonly previous?: Entry
}

export interface ListOptions {
  /** First key wanted, inclusive; within the prefix. */
  readonly from?: string
  readonly limit?: number
  /** State as of this revision; StoreError "compacted" or "future" when it cannot be had. */
  readonly atRevision?: number
}

export interface ListResult {
  readonly entries: readonly Entry[]
  /** Revision of the state that was read. */
  readonly revision: number
  readonly more: boolean
  /** Keys of the prefix after the last one returned (0 when more is false). */
  readonly remaining: number
}

export interface WatchHandle {
  cancel(): void
}

export interface Watcher {
  /** All events of one commit that fall under the prefix, in the order written. Never re-entrant. */
  onEvents(events: readonly StoreEvent[], revision: number): void
  /** Once, when the watch cannot go on; none of its methods is called afterwards. */
  onEnd(error: StoreError): void
}

export interface Store {
  get(key: string): Promise<Entry | undefined>
  /** Keys in byte order. */
  list(prefix: string, options?: ListOptions): Promise<ListResult>
  /**
   * Checks all expectations and writes all writes at one new revision, or does nothing.
   * Resolves when the commit is as durable as the store was told to make it; events follow then.
   */
  commit(expectations: readonly Expectation[], writes: readonly Write[]): Promise<CommitResult>
  /** Events after a revision; with the current revision: only what is yet to come. Throws "compacted" by onEnd. */
  watch(prefix: string, afterRevision: number, watcher: Watcher): WatchHandle
  /** Revision of the newest commit that readers see; 1 for a fresh store. */
  revision(): number
  /** Forgets history up to and including a revision. Live values stay. */
  compact(revision: number): Promise<void>
  close(): Promise<void>
}

export type StoreErrorCode = 'compacted' | 'future' | 'closed' | 'unavailable' | 'corrupt' | 'full'

export class StoreError extends Error {
  readonly code: StoreErrorCode
  /** For "compacted": the oldest revision still readable. */
  readonly compactRevision: number

  constructor(
    code: StoreErrorCode,
    message: string,
    options?: ErrorOptions & { compactRevision?: number },
  ) {
    super(message, options)
    this.name = 'StoreError'
    this.code = code
    this.compactRevision = options?.compactRevision ?? 0
  }
}
