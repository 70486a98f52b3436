// Looking at a cluster with the rights one has: what is forbidden or silent is noted, never fatal.
import type { KubeObject, Resource } from '../api/machinery/resource.ts'
import { qualifiedResource } from '../api/machinery/resource.ts'
import { isReason, StatusError } from '../api/machinery/status.ts'
import type { Client, ListOptions, ObjectKey } from '../client/client.ts'
import type { Clock } from '../lib/clock.ts'
import type { Fact, HttpSeen, SkipReason, Unseen } from './snapshot.ts'

const pageSize = 500
const requestTimeoutMs = 2000
const maxBodyBytes = 32 << 20

export class Sight {
  readonly client: Client
  readonly clock: Clock
  readonly #unseen = new Map<string, Unseen>()

  constructor(client: Client, clock: Clock) {
    this.client = client
    this.clock = clock
  }

  get unseen(): readonly Unseen[] {
    return [...this.#unseen.values()]
  }

  miss(fact: Fact, reason: SkipReason, detail: string): void {
    const key = `${fact} ${detail}`
    if (!this.#unseen.has(key)) this.#unseen.set(key, { fact, reason, detail })
  }

  /** In pages; what is forbidden is missed and gives an empty list. */
  async list<T extends KubeObject>(
    resource: Resource<T>,
    fact: Fact,
    options: ListOptions = {},
  ): Promise<readonly T[]> {
    const items: T[] = []
    let from: string | undefined
    try {
      do {
        const page: ListOptions = {
          ...options,
          limit: pageSize,
          ...(from ? { continue: from } : {}),
        }
        const list = await this.client.resource(resource).list(page)
        items.push(...list.items)
        from = list.metadata.continue || undefined
      } while (from !== undefined)
      return items
    } catch (error) {
      return this.#refused(error, { fact, resource, verb: 'list', ...options }) ? items : []
    }
  }

  /** Undefined for what is not there, and for what is forbidden. */
  async find<T extends KubeObject>(
    resource: Resource<T>,
    fact: Fact,
    key: ObjectKey,
  ): Promise<T | undefined> {
    try {
      return await this.client.resource(resource).get(key)
    } catch (error) {
      if (isReason(error, 'NotFound')) return undefined
      this.#refused(error, { fact, resource, verb: 'get', namespace: key.namespace })
      return undefined
    }
  }

  /** A GET of a proxied path; undefined when nothing came in time. */
  async get(path: string, timeoutMs = requestTimeoutMs): Promise<HttpSeen | undefined> {
    const abort = new AbortController()
    const timer = this.clock.after(timeoutMs, () => abort.abort())
    try {
      const response = await this.client.transport.request({
        method: 'GET',
        path,
        headers: { accept: 'application/json, */*' },
        signal: abort.signal,
      })
      const chunks: Uint8Array[] = []
      let size = 0
      for await (const chunk of response.body) {
        size += chunk.length
        if (size > maxBodyBytes) break
        chunks.push(chunk)
      }
      return { code: response.code, body: Buffer.concat(chunks).toString('utf8') }
    } catch {
      return undefined
    } finally {
      timer.cancel()
    }
  }

  /** Rethrows all that is not a refusal: an API that is away is the caller's business. */
  #refused(error: unknown, what: Refusal): true {
    if (!(error instanceof StatusError)) throw error
    const { resource, verb, namespace, fact } = what
    const name = qualifiedResource(resource)
    if (error.reason === 'Forbidden') {
      const where = namespace ? ` in ${namespace}` : resource.namespaced ? ' in all namespaces' : ''
      const kind = namespace
        ? `role signpost-doctor -n ${namespace}`
        : 'clusterrole signpost-doctor'
      const grant = `kubectl create ${kind} --verb=get,list,watch --resource=${name}`
      this.miss(fact, 'rbac', `you may not ${verb} ${name}${where}; it needs: ${grant}`)
    } else if (error.reason === 'NotFound' || error.code === 404) {
      this.miss(fact, 'unknown-implementation', `this cluster does not serve ${name}`)
    } else throw error
    return true
  }
}

interface Refusal {
  readonly fact: Fact
  readonly resource: Resource
  readonly verb: string
  readonly namespace?: string | undefined
}
