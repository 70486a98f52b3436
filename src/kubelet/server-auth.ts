// Who may call the kubelet: client certificates, else bearer tokens that the API server knows;
// and what they may do is asked of the API server, as upstream's webhook mode does.
import type { IncomingMessage } from 'node:http'
import type { TLSSocket } from 'node:tls'
import { subjectaccessreviews, tokenreviews } from '../api/resources.gen.ts'
import type { TokenReview } from '../api/types/authentication.gen.ts'
import type { SubjectAccessReview } from '../api/types/authorization.gen.ts'
import type { Client } from '../client/client.ts'
import type { Clock } from '../lib/clock.ts'

export interface Caller {
  readonly name: string
  readonly uid?: string
  readonly groups: readonly string[]
}

export interface AuthDeps {
  readonly client: Client
  readonly clock: Clock
  readonly nodeName: string
}

const allowedForMs = 60_000
const deniedForMs = 5_000
const maxRemembered = 1000
/** This group may do everything everywhere, by Kubernetes' own rule. */
const masters = 'system:masters'

const verbs: Readonly<Record<string, string>> = {
  GET: 'get',
  HEAD: 'get',
  POST: 'create',
  PUT: 'update',
  PATCH: 'patch',
  DELETE: 'delete',
}

export class Authorizer {
  readonly #deps: AuthDeps
  readonly #remembered = new Map<string, { readonly allowed: boolean; readonly untilMs: number }>()

  constructor(deps: AuthDeps) {
    this.#deps = deps
  }

  /** Undefined for anybody unknown. */
  async authenticate(request: IncomingMessage): Promise<Caller | undefined> {
    const socket = request.socket as TLSSocket
    if (socket.authorized) {
      const { subject } = socket.getPeerCertificate()
      // Several organizations come as a list, which the types do not say.
      const groups = ([subject?.O ?? []] as (string | string[])[]).flat()
      const name = ([subject?.CN ?? []] as (string | string[])[]).flat()[0]
      if (name) return { name, groups: [...groups, 'system:authenticated'] }
    }
    const token = /^Bearer (\S+)$/i.exec(request.headers.authorization ?? '')?.[1]
    return token === undefined ? undefined : this.#review(token)
  }

  async #review(token: string): Promise<Caller | undefined> {
    const review = await this.#deps.client.resource(tokenreviews).create({
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenReview',
      metadata: { name: '' },
      spec: { token },
    } as TokenReview)
    const { authenticated, user } = review.status ?? {}
    if (!authenticated || !user?.username) return undefined
    const uid = user.uid ? { uid: user.uid } : {}
    return { name: user.username, groups: user.groups ?? [], ...uid }
  }

  async mayCall(caller: Caller, method: string, path: string): Promise<boolean> {
    if (caller.groups.includes(masters)) return true
    const verb = verbs[method] ?? 'get'
    // The finer subresource first; whoever may proxy to the node may do all of it.
    for (const subresource of subresourcesOf(path)) {
      if (await this.#asked(caller, verb, subresource)) return true
    }
    return false
  }

  async #asked(caller: Caller, verb: string, subresource: string): Promise<boolean> {
    const key = JSON.stringify([caller, verb, subresource])
    const { clock } = this.#deps
    const known = this.#remembered.get(key)
    if (known && known.untilMs > clock.monotonic()) return known.allowed
    const allowed = await this.#ask(caller, verb, subresource)
    if (this.#remembered.size >= maxRemembered) this.#remembered.clear()
    const untilMs = clock.monotonic() + (allowed ? allowedForMs : deniedForMs)
    this.#remembered.set(key, { allowed, untilMs })
    return allowed
  }

  async #ask(caller: Caller, verb: string, subresource: string): Promise<boolean> {
    const { client, nodeName } = this.#deps
    const review = await client.resource(subjectaccessreviews).create({
      apiVersion: 'authorization.k8s.io/v1',
      kind: 'SubjectAccessReview',
      metadata: { name: '' },
      spec: {
        user: caller.name,
        groups: caller.groups,
        ...(caller.uid ? { uid: caller.uid } : {}),
        resourceAttributes: { verb, version: 'v1', resource: 'nodes', subresource, name: nodeName },
      },
    } as SubjectAccessReview)
    return review.status?.allowed ?? false
  }
}

function subresourcesOf(path: string): readonly string[] {
  if (path.startsWith('/stats')) return ['stats']
  if (path.startsWith('/metrics')) return ['metrics']
  if (path.startsWith('/logs')) return ['log']
  if (path.startsWith('/healthz')) return ['healthz', 'proxy']
  if (path.startsWith('/configz')) return ['configz', 'proxy']
  if (path.startsWith('/pods') || path.startsWith('/runningpods')) return ['pods', 'proxy']
  return ['proxy']
}
