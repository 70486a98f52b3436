// When a cluster in memory has come to rest, and how its clock is moved meanwhile.
//
// Everything but timers happens in turns of the event loop: a request is under way, or a write made a
// revision, or the callbacks of either still run. So there is rest once no request is under way and
// a few turns have passed without a new revision; nothing is left then but to wait for a timer.
import { setImmediate as turn } from 'node:timers/promises'
import type { ApiRequest, Transport } from '../client/client.ts'
import type { FakeClock } from '../lib/fake-clock.ts'

/** From a watch event to the request it leads to, and from a timer to its request. */
const restTurns = 6
/** A request that is slower than so many turns (seconds, really) hangs. */
const maxTurns = 1_000_000
/** So many writes without any time between them are a loop. */
const maxWrites = 20_000
/** settle() lets so much time pass without a write; back-offs and batches are shorter. */
const horizonMs = 1000
/** Something that still writes after so long writes for ever. */
const maxSettleMs = 120_000

export interface World {
  readonly clock: FakeClock
  revision(): number
}

export class Settler {
  readonly #world: World
  readonly #underWay = new Set<ApiRequest>()

  constructor(world: World) {
    this.#world = world
  }

  /** The same transport, whose requests are known to be under way. */
  watched(inner: Transport): Transport {
    return {
      request: async (request) => {
        this.#underWay.add(request)
        try {
          return await inner.request(request)
        } finally {
          this.#underWay.delete(request)
        }
      },
      close: () => inner.close(),
    }
  }

  /** Resolves once nothing happens any more unless time passes. */
  async rest(): Promise<void> {
    const first = this.#world.revision()
    let seen = first
    let calm = 0
    for (let turns = 0; calm < restTurns; turns++) {
      if (turns > maxTurns) throw new Error(`cannot settle: ${this.#hanging()} does not end`)
      await turn()
      const now = this.#world.revision()
      if (now - first > maxWrites) throw new Error('cannot settle: writes lead to writes for ever')
      calm = this.#underWay.size === 0 && now === seen ? calm + 1 : 0
      seen = now
    }
  }

  /** Resolves once nothing was written for a second of the cluster's time. */
  async settle(): Promise<void> {
    const { clock } = this.#world
    const startedMs = clock.monotonic()
    await this.rest()
    for (;;) {
      const before = this.#world.revision()
      await this.advance(horizonMs)
      if (this.#world.revision() === before) return
      if (clock.monotonic() - startedMs > maxSettleMs)
        throw new Error(`cannot settle: something still writes after ${maxSettleMs / 1000} s`)
    }
  }

  /** Moves time on from timer to timer, with a rest after each. */
  async advance(byMs: number): Promise<void> {
    const { clock } = this.#world
    const untilMs = clock.monotonic() + byMs
    await this.rest()
    for (;;) {
      const restMs = untilMs - clock.monotonic()
      const dueMs = clock.nextDueMs()
      if (dueMs === undefined || dueMs > restMs) break
      await clock.advance(dueMs)
      await this.rest()
    }
    await clock.advance(untilMs - clock.monotonic())
    await this.rest()
  }

  #hanging(): string {
    const [request] = this.#underWay
    return request ? `${request.method} ${request.path}` : 'a request'
  }
}
