// The kubelet's own HTTPS server: logs, exec, attach, port-forward, Pods, statistics.
import * as http from 'node:http'
import * as https from 'node:https'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Client } from '../client/client.ts'
import type { Clock } from '../lib/clock.ts'
import type { Logger } from '../lib/log.ts'
import type { ContainerLogs, LogOptions, LogSink } from './container-logs.ts'
import { HttpError } from './http-error.ts'
import type { PodWorker } from './pod-worker.ts'
import { Authorizer } from './server-auth.ts'
import { type StreamTarget, serveUpgrade } from './server-streams.ts'
import { nodeUsage, type PodUsage, resourceMetrics, statsSummary } from './stats.ts'

export interface ServerConfig {
  readonly port: number
  readonly tls: { readonly cert: string; readonly key: string }
  readonly clientCA: string
  readonly nodeIPs: readonly string[]
  readonly nodeName: string
  /** What /configz says beside the port: KubeletConfiguration, as far as it applies. */
  readonly configz?: Readonly<Record<string, unknown>>
}

/** What the node's other components show under /debug; undefined: nothing under this path. */
export type DebugPages = (path: string, query: URLSearchParams) => unknown

export interface ServerDeps {
  readonly client: Client
  readonly clock: Clock
  readonly log: Logger
  readonly logs: ContainerLogs
  readonly debug?: DebugPages | undefined
  pods(): readonly PodWorker[]
}

export interface KubeletServer {
  readonly port: number
  stop(): Promise<void>
}

export async function startServer(config: ServerConfig, deps: ServerDeps): Promise<KubeletServer> {
  const { tls, clientCA, nodeIPs } = config
  const server = https.createServer({
    ...tls,
    ...(clientCA ? { ca: clientCA } : {}),
    requestCert: true,
    // Whoever has no certificate may still bring a token.
    rejectUnauthorized: false,
  })
  const handler = new Handler(config, deps)
  server.on('request', (request, response) => void handler.answer(request, response))
  server.on('upgrade', (request: http.IncomingMessage, socket: Duplex, head: Buffer) => {
    void handler.upgrade(request, socket, head)
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    // One address of each family when there are several, else only the node's own.
    const host = nodeIPs.length === 1 ? nodeIPs[0]! : '::'
    server.listen({ port: config.port, host }, resolve)
  })
  const { port } = server.address() as AddressInfo
  return {
    port,
    stop() {
      return new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
        handler.stop()
      })
    },
  }
}

class Handler {
  readonly #config: ServerConfig
  readonly #deps: ServerDeps
  readonly #authorizer: Authorizer
  readonly #upgraded = new Set<Duplex>()

  constructor(config: ServerConfig, deps: ServerDeps) {
    this.#config = config
    this.#deps = deps
    const { client, clock } = deps
    this.#authorizer = new Authorizer({ client, clock, nodeName: config.nodeName })
  }

  stop(): void {
    for (const socket of this.#upgraded) socket.destroy()
  }

  async answer(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    try {
      const url = new URL(request.url ?? '/', 'https://kubelet')
      await this.#authorize(request, url.pathname)
      await this.#route(url, response)
    } catch (error) {
      if (response.headersSent) {
        response.destroy()
        return
      }
      const { code, text } = this.#describe(error)
      response.writeHead(code, { 'content-type': 'text/plain; charset=utf-8' })
      response.end(`${text}\n`)
    }
  }

  async upgrade(request: http.IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    socket.on('error', () => socket.destroy())
    this.#upgraded.add(socket)
    socket.once('close', () => this.#upgraded.delete(socket))
    try {
      const url = new URL(request.url ?? '/', 'https://kubelet')
      await this.#authorize(request, url.pathname)
      const found = this.#streamTarget(url)
      await serveUpgrade({ request, socket, head, url }, found)
    } catch (error) {
      const { code, text } = this.#describe(error)
      const phrase = http.STATUS_CODES[code] ?? ''
      const head = `HTTP/1.1 ${code} ${phrase}\r\ncontent-type: text/plain; charset=utf-8\r\n`
      socket.end(
        `${head}content-length: ${Buffer.byteLength(text) + 1}\r\nconnection: close\r\n\r\n${text}\n`,
      )
    }
  }

  #describe(error: unknown): { code: number; text: string } {
    if (error instanceof HttpError) return { code: error.code, text: error.message }
    this.#deps.log.error('cannot answer a request', { error })
    return { code: 500, text: 'Internal Server Error' }
  }

  async #authorize(request: http.IncomingMessage, path: string): Promise<void> {
    const caller = await this.#authorizer.authenticate(request)
    if (!caller) throw new HttpError(401, 'Unauthorized')
    if (await this.#authorizer.mayCall(caller, request.method ?? 'GET', path)) return
    const verb = (request.method ?? 'GET').toLowerCase()
    throw new HttpError(
      403,
      `Forbidden (user=${caller.name}, verb=${verb}, resource=nodes, subresource(s)=[proxy])`,
    )
  }

  async #route(url: URL, response: http.ServerResponse): Promise<void> {
    const [kind, ...rest] = url.pathname.split('/').filter(Boolean)
    switch (`/${kind ?? ''}`) {
      case '/healthz':
        return text(response, 'ok')
      case '/pods':
        return json(
          response,
          this.#podList(() => true),
        )
      case '/runningpods':
        return json(
          response,
          this.#podList((worker) => !worker.over),
        )
      case '/containerLogs':
        return this.#logs(rest, url.searchParams, response)
      case '/configz':
        return json(response, {
          kubeletconfig: { port: this.#config.port, ...this.#config.configz },
        })
      case '/debug':
        return this.#debug(url, response)
      case '/stats':
        return json(
          response,
          statsSummary(this.#config.nodeName, this.#usage(), {
            nowMs: this.#deps.clock.now(),
            node: nodeUsage(),
          }),
        )
      case '/metrics':
        return this.#metrics(rest[0], response)
    }
    throw new HttpError(404, '404 page not found')
  }

  #debug(url: URL, response: http.ServerResponse): void {
    const page = this.#deps.debug?.(url.pathname.slice('/debug'.length), url.searchParams)
    if (page === undefined) throw new HttpError(404, '404 page not found')
    json(response, page)
  }

  #metrics(which: string | undefined, response: http.ServerResponse): void {
    response.setHeader('content-type', 'text/plain; version=0.0.4; charset=utf-8')
    if (which === 'resource') response.end(resourceMetrics(this.#usage(), nodeUsage()))
    else if (which === undefined) response.end(this.#ownMetrics())
    else if (which === 'cadvisor' || which === 'probes') response.end('')
    else throw new HttpError(404, '404 page not found')
  }

  #ownMetrics(): string {
    const running = this.#deps.pods().filter((worker) => !worker.over)
    const containers = this.#usage().reduce((count, pod) => count + pod.containers.length, 0)
    const { nodeName } = this.#config
    return [
      '# TYPE kubelet_node_name gauge',
      `kubelet_node_name{node="${nodeName}"} 1`,
      '# TYPE kubelet_running_pods gauge',
      `kubelet_running_pods ${running.length}`,
      '# TYPE kubelet_running_containers gauge',
      `kubelet_running_containers{container_state="running"} ${containers}`,
      '',
    ].join('\n')
  }

  #podList(wanted: (worker: PodWorker) => boolean): unknown {
    const items = this.#deps
      .pods()
      .filter(wanted)
      .map((worker) => ({ ...worker.pod, status: worker.status ?? worker.pod.status }))
    return { kind: 'PodList', apiVersion: 'v1', metadata: {}, items }
  }

  #usage(): PodUsage[] {
    return this.#deps
      .pods()
      .filter((worker) => !worker.over)
      .map((worker) => {
        const { pod, status } = worker
        return {
          namespace: pod.metadata.namespace ?? '',
          name: pod.metadata.name,
          uid: pod.metadata.uid ?? '',
          startTimeMs: Date.parse(status?.startTime ?? '') || 0,
          containers: pod.spec.containers.flatMap(({ name }) => {
            const running = worker.container(name)?.running
            return running ? [{ name, usage: running.usage() }] : []
          }),
        }
      })
  }

  #find(namespace: string | undefined, name: string | undefined): PodWorker {
    const found = this.#deps
      .pods()
      .find(({ pod }) => pod.metadata.namespace === namespace && pod.metadata.name === name)
    if (!found) throw new HttpError(404, `pod "${name}" not found`)
    return found
  }

  async #logs(
    [namespace, name, container]: readonly string[],
    query: URLSearchParams,
    response: http.ServerResponse,
  ): Promise<void> {
    const worker = this.#find(namespace, name)
    const path = logPathOf(worker, container ?? '', query.get('previous') === 'true')
    const options = logOptions(query, this.#deps.clock.now())
    response.writeHead(200, { 'content-type': 'text/plain; charset=utf-8' })
    if (options.follow) response.flushHeaders()
    await this.#deps.logs.read(path, options, responseSink(response))
    response.end()
  }

  #streamTarget(url: URL): StreamTarget {
    const [kind = '', namespace, name, container] = url.pathname.split('/').filter(Boolean)
    if (!['exec', 'attach', 'portForward'].includes(kind))
      throw new HttpError(404, '404 page not found')
    const worker = this.#find(namespace, name)
    if (kind === 'portForward') {
      const { sandbox } = worker
      if (!sandbox) throw new HttpError(500, `sandbox of pod "${name}" is not running`)
      return { kind, dial: (port: number) => sandbox.dial(port) }
    }
    const running = worker.container(container ?? '')?.running
    if (!running) throw new HttpError(500, `container not found ("${container}")`)
    return { kind: kind as 'exec' | 'attach', running }
  }
}

function text(response: http.ServerResponse, body: string): void {
  response.writeHead(200, { 'content-type': 'text/plain; charset=utf-8' })
  response.end(body)
}

function json(response: http.ServerResponse, body: unknown): void {
  response.writeHead(200, { 'content-type': 'application/json' })
  response.end(JSON.stringify(body))
}

/** The errors are those that kubectl prints. */
function logPathOf(worker: PodWorker, container: string, previous: boolean): string {
  const { name } = worker.pod.metadata
  const statuses = [
    ...(worker.status?.initContainerStatuses ?? []),
    ...(worker.status?.containerStatuses ?? []),
  ]
  const status = statuses.find((candidate) => candidate.name === container)
  if (!status) throw new HttpError(400, `container ${container} is not valid for pod ${name}`)
  const path = worker.container(container)?.logPath(previous)
  if (path !== undefined) return path
  if (previous) {
    const message = `previous terminated container "${container}" in pod "${name}" not found`
    throw new HttpError(400, message)
  }
  const reason = status.state?.waiting?.reason ?? 'ContainerCreating'
  const cause = /^(ErrImage|ImagePull)/.test(reason) ? 'trying and failing to pull image' : reason
  throw new HttpError(
    400,
    `container "${container}" in pod "${name}" is waiting to start: ${cause}`,
  )
}

function logOptions(query: URLSearchParams, nowMs: number): LogOptions {
  const number = (name: string): number | undefined => {
    const text = query.get(name)
    return text === null || text === '' ? undefined : Number(text)
  }
  const sinceSeconds = number('sinceSeconds')
  const sinceTime = query.get('sinceTime')
  const sinceMs = sinceTime ? Date.parse(sinceTime) : sinceSeconds && nowMs - sinceSeconds * 1000
  const [tailLines, limitBytes] = [number('tailLines'), number('limitBytes')]
  const stream = query.get('stream')
  return {
    follow: query.get('follow') === 'true',
    timestamps: query.get('timestamps') === 'true',
    ...(tailLines === undefined ? {} : { tailLines }),
    ...(sinceMs ? { sinceMs } : {}),
    ...(limitBytes === undefined ? {} : { limitBytes }),
    ...(stream === 'Stdout' || stream === 'Stderr' ? { stream } : {}),
  }
}

function responseSink(response: http.ServerResponse): LogSink {
  const abort = new AbortController()
  response.once('close', () => abort.abort())
  return {
    closed: abort.signal,
    write: (bytes) => response.write(bytes),
    drained: () =>
      new Promise((resolve) => {
        response.once('drain', resolve)
        response.once('close', resolve)
      }),
  }
}
