// Tokens for a Pod's ServiceAccount, bound to the Pod, asked for anew when most of their life is over.
import type { KubeObject } from '../api/machinery/resource.ts'
import { serviceaccounts } from '../api/resources.gen.ts'
import type { Pod } from '../api/types/core.gen.ts'
import type { Client } from '../client/client.ts'
import type { Clock, Timer } from '../lib/clock.ts'

const refreshShare = 0.8
const maxRefreshMs = 24 * 3600 * 1000
/** Tokens of many Pods must not all come due at once. */
const jitterMs = 10_000

interface Held {
  readonly token: string
  readonly untilMs: number
}

export interface PodTokenDeps {
  readonly client: Client
  readonly clock: Clock
  readonly random: { next(): number }
  /** A token is due: ask for it again. */
  onDue(): void
}

export class PodTokens {
  readonly #pod: Pod
  readonly #deps: PodTokenDeps
  readonly #held = new Map<string, Held>()
  #timer: Timer | undefined

  constructor(pod: Pod, deps: PodTokenDeps) {
    this.#pod = pod
    this.#deps = deps
  }

  /** The same one until it is due. An audience that is absent is the API server's. */
  async get(audience: string | undefined, expirationSeconds: number): Promise<string> {
    const { clock, random } = this.#deps
    const id = JSON.stringify([audience, expirationSeconds])
    const held = this.#held.get(id)
    if (held && held.untilMs > clock.monotonic()) return held.token
    const token = await this.#request(audience, expirationSeconds)
    const lifeMs = Math.min(expirationSeconds * 1000 * refreshShare, maxRefreshMs)
    this.#held.set(id, { token, untilMs: clock.monotonic() + lifeMs - random.next() * jitterMs })
    this.#schedule()
    return token
  }

  async #request(audience: string | undefined, expirationSeconds: number): Promise<string> {
    const { namespace, name, uid } = this.#pod.metadata
    const request = {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenRequest',
      metadata: { name: this.#pod.spec.serviceAccountName || 'default', namespace },
      spec: {
        audiences: audience ? [audience] : [],
        expirationSeconds,
        boundObjectRef: { kind: 'Pod', apiVersion: 'v1', name, uid },
      },
    }
    const client = this.#deps.client.resource<KubeObject>(serviceaccounts)
    const answer = await client.create(request as KubeObject, { subresource: 'token' })
    return (answer as { status?: { token?: string } }).status?.token ?? ''
  }

  #schedule(): void {
    this.#timer?.cancel()
    const next = Math.min(...[...this.#held.values()].map(({ untilMs }) => untilMs))
    const { clock, onDue } = this.#deps
    this.#timer = clock.after(Math.max(0, next - clock.monotonic()), onDue)
  }

  stop(): void {
    this.#timer?.cancel()
  }
}
