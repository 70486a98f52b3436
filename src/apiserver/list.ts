// Lists: which state they show (api.md 2.5), pages with their continue tokens, and the answer.
import { badRequestError, StatusError, statusError } from '../api/machinery/status.ts'
import type { Clock } from '../lib/clock.ts'
import type { Cache } from './cache.ts'
import type { CacheEntry } from './cache-entry.ts'
import type { EntryList } from './encode.ts'
import type { Filter, ListQuery } from './list-options.ts'
import { filterOf, parseResourceVersion } from './list-options.ts'
import type { Served } from './served.ts'

/** How long a read waits for a revision that is not there yet. */
const futureWaitMs = 3000

/** Throws 504 when the revision does not come. */
export async function waitForRevision(cache: Cache, clock: Clock, revision: number): Promise<void> {
  if (revision <= cache.revision) return
  const reached = await new Promise<boolean>((resolve) => {
    const stop = cache.onReach(revision, () => {
      timer.cancel()
      resolve(true)
    })
    const timer = clock.after(futureWaitMs, () => {
      stop()
      resolve(false)
    })
  })
  if (!reached) throw tooLarge(revision, cache.revision)
}

function tooLarge(wanted: number, current: number): StatusError {
  const message = `Timeout: Too large resource version: ${wanted}, current: ${current}`
  return statusError('Timeout', message, {
    causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }],
    retryAfterSeconds: 1,
  })
}

export const compactedList = (continued: string | undefined): StatusError => {
  const text =
    continued === undefined
      ? 'The resourceVersion for the provided list is too old.'
      : 'The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter, or use the continue token in this response to retrieve the remainder of the results. Continuing with the provided token results in an inconsistent list - objects that were created, modified, or deleted between the time the first chunk was returned and now may show up in the list.'
  const error = statusError('Expired', text)
  if (continued === undefined) return error
  return new StatusError({ ...error.status, metadata: { continue: continued } })
}

interface Token {
  /** -1: whatever is current, for a list whose snapshot is gone. */
  readonly revision: number
  /** The first key wanted. */
  readonly start: string
}

const tokenVersion = 'meta.k8s.io/v1'

function encodeToken({ revision, start }: Token): string {
  const text = JSON.stringify({ v: tokenVersion, rv: revision, start })
  return Buffer.from(text).toString('base64url')
}

function decodeToken(text: string): Token {
  const refuse = (why: string) => badRequestError(`invalid continue token: ${why}`)
  const json = Buffer.from(text, 'base64url').toString('latin1')
  let token: { v?: unknown; rv?: unknown; start?: unknown }
  try {
    token = JSON.parse(Buffer.from(json, 'latin1').toString())
  } catch {
    throw refuse(`continue key is not valid: ${jsonProblem(json)}`)
  }
  if (token.v !== tokenVersion) {
    throw refuse(
      `continue key is not valid: server does not recognize this encoded version "${token.v ?? ''}"`,
    )
  }
  if (typeof token.rv !== 'number' || token.rv === 0) {
    throw refuse(
      'continue key is not valid: incorrect encoded start resourceVersion (version meta.k8s.io/v1)',
    )
  }
  if (typeof token.start !== 'string' || token.start === '') {
    throw refuse('continue key is not valid: encoded start key empty (version meta.k8s.io/v1)')
  }
  return { revision: token.rv, start: token.start }
}

/** As Go's decoder words the first thing it stumbles over. */
function jsonProblem(text: string): string {
  const first = text.trimStart()[0]
  if (first === undefined) return 'unexpected end of JSON input'
  if ('{["0123456789-tfn'.includes(first)) return 'unexpected end of JSON input'
  const code = first.charCodeAt(0)
  const shown = code < 0x20 || code > 0x7e ? `\\u${code.toString(16).padStart(4, '0')}` : first
  return `invalid character '${shown}' looking for beginning of value`
}

export interface ListScope {
  readonly served: Served
  readonly namespace: string
  readonly query: ListQuery
}

/** The objects of a list request, with what its metadata says. */
export async function readList(cache: Cache, clock: Clock, scope: ListScope): Promise<EntryList> {
  const { served, query } = scope
  const filter = filterOf(served, query)
  const token = query.continue === '' ? undefined : continueToken(query)
  const at = token ? undefined : await snapshotRevision(cache, clock, query)
  const snapshot = await entriesAt(cache, scope, { token, at })
  const { entries, next, remaining } = pageOf(snapshot.entries, filter, {
    start: token?.start,
    limit: query.limit,
  })
  const metadata = { resourceVersion: String(snapshot.revision) }
  if (next === undefined) return { entries, metadata }
  const following = encodeToken({ revision: snapshot.revision, start: next })
  return {
    entries,
    metadata: {
      ...metadata,
      continue: following,
      ...(filter.all ? { remainingItemCount: remaining } : {}),
    },
  }
}

function continueToken(query: ListQuery): Token {
  if (query.resourceVersion !== '' && query.resourceVersion !== '0') {
    throw badRequestError('specifying resource version is not allowed when using continue')
  }
  return decodeToken(query.continue)
}

/** The exact revision wanted; undefined for the current state, once it is new enough. */
async function snapshotRevision(
  cache: Cache,
  clock: Clock,
  query: ListQuery,
): Promise<number | undefined> {
  const revision = parseResourceVersion(query.resourceVersion, 'list')
  if (revision === undefined || revision === 0) return undefined
  await waitForRevision(cache, clock, revision)
  const exact = query.match === 'Exact' || (query.match === '' && query.limit > 0)
  return exact ? revision : undefined
}

async function entriesAt(
  cache: Cache,
  { served, namespace }: ListScope,
  wanted: { readonly token: Token | undefined; readonly at: number | undefined },
): Promise<{ entries: readonly CacheEntry[]; revision: number }> {
  const { token } = wanted
  const revision = token && token.revision > 0 ? token.revision : wanted.at
  if (revision === undefined || revision >= cache.revision) {
    return { entries: served.cache.list(namespace), revision: cache.revision }
  }
  const oldest = await cache.reachBack(served.cache, revision)
  const entries = oldest === undefined ? served.cache.listAt(revision, namespace) : undefined
  if (entries) return { entries, revision }
  const resume = token && encodeToken({ revision: -1, start: token.start })
  throw compactedList(resume)
}

interface Page {
  readonly entries: readonly CacheEntry[]
  /** Key of the first object of the next page. */
  readonly next?: string
  readonly remaining: number
}

function pageOf(
  all: readonly CacheEntry[],
  filter: Filter,
  options: { readonly start: string | undefined; readonly limit: number },
): Page {
  const { start } = options
  const from = start === undefined ? 0 : all.findIndex(({ key }) => key >= start)
  if (from < 0) return { entries: [], remaining: 0 }
  const limit = options.limit === 0 ? Number.POSITIVE_INFINITY : options.limit
  if (filter.all && all.length - from <= limit) {
    return { entries: from === 0 ? all : all.slice(from), remaining: 0 }
  }
  const entries: CacheEntry[] = []
  for (let index = from; index < all.length; index++) {
    const entry = all[index]!
    if (!filter.matches(entry)) continue
    if (entries.length === limit) {
      return { entries, next: entry.key, remaining: all.length - index }
    }
    entries.push(entry)
  }
  return { entries, remaining: 0 }
}
