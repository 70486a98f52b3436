// The plain HTTP side: /health, /ready, /metrics. An edge file. A reload hands over the set of paths
// it wants; addresses that stay keep their socket, so that no probe meets a closed port.

import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { createServer } from 'node:http'
import type { HttpReply } from './host.ts'

type Answer = () => HttpReply

/** What one configuration serves: address -> path -> answer. */
export class HttpPlan {
  readonly addresses = new Map<string, { host: string; port: number; paths: Map<string, Answer> }>()

  serve(address: { host: string; port: number }, path: string, answer: Answer): void {
    const key = `${address.host}:${address.port}`
    const entry = this.addresses.get(key) ?? { ...address, paths: new Map<string, Answer>() }
    entry.paths.set(path, answer)
    this.addresses.set(key, entry)
  }
}

interface Open {
  readonly server: Server
  paths: ReadonlyMap<string, Answer>
}

export class HttpServers {
  readonly #open = new Map<string, Open>()

  /** The port that an address got, for those that asked for any. */
  portOf(key: string): number | undefined {
    const bound = this.#open.get(key)?.server.address()
    return bound !== null && typeof bound === 'object' ? bound.port : undefined
  }

  keys(): readonly string[] {
    return [...this.#open.keys()]
  }

  /** Opens, re-points and closes until exactly the plan is served. Rejects for a port in use. */
  async apply(plan: HttpPlan): Promise<void> {
    for (const [key, { host, port, paths }] of plan.addresses) {
      const known = this.#open.get(key)
      if (known) {
        known.paths = paths
        continue
      }
      const open: Open = { server: createServer(), paths }
      open.server.on('request', (request, response) => respond(open, request, response))
      await listen(open.server, host, port)
      this.#open.set(key, open)
    }
    for (const key of this.keys()) if (!plan.addresses.has(key)) await this.#close(key)
  }

  async close(): Promise<void> {
    await Promise.all(this.keys().map((key) => this.#close(key)))
  }

  async #close(key: string): Promise<void> {
    const server = this.#open.get(key)?.server
    this.#open.delete(key)
    if (!server) return
    const closed = new Promise((resolve) => server.close(resolve))
    server.closeAllConnections()
    await closed
  }
}

function respond(open: Open, request: IncomingMessage, response: ServerResponse): void {
  const path = (request.url ?? '/').replace(/\?.*$/, '')
  const answer = open.paths.get(path)
  const reply = answer ? answer() : { code: 404, text: '404 page not found\n' }
  const headers: Record<string, string> = {
    'content-type': reply.contentType ?? 'text/plain; charset=utf-8',
  }
  if (reply.close) headers['connection'] = 'close'
  response.writeHead(reply.code, headers)
  response.end(reply.text)
}

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    const done = () => {
      server.off('error', reject)
      resolve()
    }
    if (host === '') server.listen(port, done)
    else server.listen(port, host, done)
  })
}
