// Everything of the proxy that listens: /healthz and /livez, /metrics, and the healthCheckNodePort
// of each Service with externalTrafficPolicy Local.
import { createServer, type Server, type ServerResponse } from 'node:http'
import type { Logger } from '../lib/log.ts'

export interface HttpAnswer {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body: string
}

export type HttpHandler = (path: string) => HttpAnswer | Promise<HttpAnswer>

/** Listens on "ADDRESS:PORT" ("[::1]:80"). Rejects when the port cannot be bound. */
export async function listenHttp(address: string, handler: HttpHandler): Promise<Server> {
  const at = address.lastIndexOf(':')
  const host = address.slice(0, at).replace(/^\[(.*)\]$/, '$1')
  const server = createServer((request, response) => {
    const path = (request.url ?? '/').split('?', 1)[0]!
    void answer(handler, path, response)
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    const options = { port: Number(address.slice(at + 1)), ...(host === '' ? {} : { host }) }
    server.listen(options, () => resolve())
  })
  server.unref()
  return server
}

async function answer(handler: HttpHandler, path: string, response: ServerResponse): Promise<void> {
  try {
    const { status, headers = {}, body } = await handler(path)
    response.writeHead(status, { 'X-Content-Type-Options': 'nosniff', ...headers })
    response.end(body)
  } catch {
    response.writeHead(500)
    response.end()
  }
}

export function closeServer(server: Server): Promise<void> {
  server.closeAllConnections()
  return new Promise((resolve) => server.close(() => resolve()))
}

export interface ServiceHealth {
  readonly namespace: string
  readonly name: string
  /** Distinct IPs of ready endpoints on this node. */
  readonly localEndpoints: number
}

export interface ServiceHealthDeps {
  readonly log: Logger
  isProxyHealthy(): boolean
  /** The port could not be bound; tried again at the next update. */
  onFailure(health: ServiceHealth, port: number, error: unknown): void
}

/** One listener for each healthCheckNodePort. */
export class ServiceHealthServers {
  readonly #deps: ServiceHealthDeps
  readonly #servers = new Map<number, Promise<Server | undefined>>()
  #wanted: ReadonlyMap<number, ServiceHealth> = new Map()

  constructor(deps: ServiceHealthDeps) {
    this.#deps = deps
  }

  /** Port -> what it tells. Opens and closes listeners to match. */
  update(wanted: ReadonlyMap<number, ServiceHealth>): void {
    this.#wanted = wanted
    for (const [port, server] of this.#servers) {
      if (wanted.has(port)) continue
      this.#servers.delete(port)
      void server.then((open) => open && closeServer(open))
    }
    for (const [port, health] of wanted) {
      if (!this.#servers.has(port)) this.#servers.set(port, this.#listen(port, health))
    }
  }

  async close(): Promise<void> {
    const open = await Promise.all(this.#servers.values())
    this.#servers.clear()
    await Promise.all(open.map((server) => server && closeServer(server)))
  }

  async #listen(port: number, health: ServiceHealth): Promise<Server | undefined> {
    try {
      return await listenHttp(`:${port}`, () => this.#answer(port))
    } catch (error) {
      this.#servers.delete(port)
      this.#deps.onFailure(health, port, error)
      return undefined
    }
  }

  #answer(port: number): HttpAnswer {
    const health = this.#wanted.get(port)
    const localEndpoints = health?.localEndpoints ?? 0
    const serviceProxyHealthy = this.#deps.isProxyHealthy()
    const { namespace = '', name = '' } = health ?? {}
    return {
      status: localEndpoints > 0 && serviceProxyHealthy ? 200 : 503,
      headers: {
        'Content-Type': 'application/json',
        'X-Load-Balancing-Endpoint-Weight': String(localEndpoints),
      },
      body: JSON.stringify({ service: { namespace, name }, localEndpoints, serviceProxyHealthy }),
    }
  }
}
