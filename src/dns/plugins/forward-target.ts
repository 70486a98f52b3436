// One upstream of forward: its connections, and whether it answers. Probed only after a failure.
import type { Timer } from '../../lib/clock.ts'
import type { Host } from '../host.ts'
import type { ExchangeOptions, Upstream, UpstreamAddress } from '../upstream.ts'
import { TYPE } from '../wire/codes.ts'
import type { Message } from '../wire/message.ts'
import { queryMessage } from '../wire/message.ts'
import type { ForwardConfig } from './forward-config.ts'

const probeTimeoutMs = 1000

export class ForwardTarget {
  /** As metrics name it: "192.0.2.53:53". */
  readonly label: string
  readonly #upstream: Upstream
  readonly #config: ForwardConfig
  readonly #host: Host
  #fails = 0
  #probing = false
  #timer: Timer | undefined

  constructor(address: UpstreamAddress, config: ForwardConfig, host: Host) {
    const { address: ip, port } = address
    this.label = ip.includes(':') ? `[${ip}]:${port}` : `${ip}:${port}`
    this.#upstream = host.upstreams.open(address, config)
    this.#config = config
    this.#host = host
  }

  get down(): boolean {
    return this.#config.maxFails > 0 && this.#fails >= this.#config.maxFails
  }

  exchange(message: Message, options: ExchangeOptions): Promise<Message> {
    return this.#upstream.exchange(message, options)
  }

  /** Starts probing, until the upstream answers anything at all. */
  noteFailure(): void {
    if (this.#config.maxFails === 0 || this.#probing) return
    this.#probing = true
    void this.#probe()
  }

  stopProbing(): void {
    this.#probing = false
    this.#timer?.cancel()
  }

  close(): void {
    this.stopProbing()
    this.#upstream.close()
  }

  async #probe(): Promise<void> {
    const { domain, recursionDesired, intervalMs } = this.#config.healthCheck
    const message = { ...queryMessage(0, { name: domain, type: TYPE.NS }), recursionDesired }
    const transport = this.#config.forceTcp ? 'tcp' : 'udp'
    try {
      await this.#upstream.exchange(message, { transport, timeoutMs: probeTimeoutMs })
      this.#fails = 0
      this.#probing = false
    } catch {
      this.#fails++
      this.#host.metrics
        .counter({
          name: 'coredns_proxy_healthcheck_failures_total',
          help: 'Counter of the number of failed healthchecks.',
          labels: ['proxy_name', 'to'],
        })('forward', this.label)
        .add()
      if (this.#probing) this.#timer = this.#host.clock.after(intervalMs, () => void this.#probe())
    }
  }
}
