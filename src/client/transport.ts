// Requests over HTTPS (or HTTP) to a Kubernetes API server, on kept-alive connections.
import * as http from 'node:http'
import * as https from 'node:https'
import type { ApiRequest, ApiResponse, Transport } from './client.ts'

export interface TransportConfig {
  /** "https://10.96.0.1:443"; a path is kept as a prefix. */
  readonly server: string
  /** PEM of the authorities that sign the server's certificate. */
  readonly ca?: string | Buffer
  readonly cert?: string | Buffer
  readonly key?: string | Buffer
  /** Asked before each request, so that rotated tokens are picked up. */
  readonly token?: () => string | undefined
  readonly insecureSkipTLSVerify?: boolean
  readonly serverName?: string
  /** A unix socket to dial instead of the server's host and port. */
  readonly socketPath?: string
  readonly userAgent: string
  /** For requests that are not watches. */
  readonly timeoutMs?: number
}

const defaultTimeoutMs = 60_000
const keepAliveMs = 30_000
const maxConnections = 128

export function createTransport(config: TransportConfig): Transport {
  const url = new URL(config.server)
  const secure = url.protocol === 'https:'
  const agentOptions = { keepAlive: true, keepAliveMsecs: keepAliveMs, maxSockets: maxConnections }
  const agent = secure
    ? new https.Agent({
        ...agentOptions,
        ...(config.ca === undefined ? {} : { ca: config.ca }),
        ...(config.cert === undefined ? {} : { cert: config.cert }),
        ...(config.key === undefined ? {} : { key: config.key }),
        ...(config.serverName === undefined ? {} : { servername: config.serverName }),
        rejectUnauthorized: config.insecureSkipTLSVerify !== true,
      })
    : new http.Agent(agentOptions)
  const prefix = url.pathname.replace(/\/$/, '')
  const target: http.RequestOptions = {
    agent,
    hostname: url.hostname.replace(/^\[|\]$/g, ''),
    port: url.port === '' ? (secure ? 443 : 80) : url.port,
    ...(config.socketPath === undefined ? {} : { socketPath: config.socketPath }),
  }
  const send = secure ? https.request : http.request

  return {
    request(request) {
      const token = config.token?.()
      const headers: Record<string, string> = {
        'user-agent': config.userAgent,
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(request.body ? { 'content-length': String(request.body.byteLength) } : {}),
        ...request.headers,
      }
      const options = { ...target, method: request.method, path: prefix + request.path, headers }
      return exchange(send(options), request, config.timeoutMs ?? defaultTimeoutMs)
    },
    close: () => agent.destroy(),
  }
}

function exchange(
  outgoing: http.ClientRequest,
  request: ApiRequest,
  timeoutMs: number,
): Promise<ApiResponse> {
  return new Promise((resolve, reject) => {
    const abort = () => outgoing.destroy(asError(request.signal?.reason))
    if (request.signal?.aborted) abort()
    request.signal?.addEventListener('abort', abort, { once: true })
    const forget = () => request.signal?.removeEventListener('abort', abort)
    outgoing.setNoDelay(true)
    outgoing.setSocketKeepAlive(true, keepAliveMs)
    outgoing.setTimeout(timeoutMs, () =>
      outgoing.destroy(new Error(`no answer from the API server in ${timeoutMs} ms`)),
    )
    outgoing.once('error', (error) => {
      forget()
      reject(error)
    })
    outgoing.once('response', (incoming) => {
      // From here on silence is normal: a watch may have nothing to say for minutes.
      outgoing.setTimeout(0)
      incoming.once('close', forget)
      resolve({ code: incoming.statusCode ?? 0, headers: flatHeaders(incoming), body: incoming })
    })
    outgoing.end(request.body)
  })
}

function flatHeaders(incoming: http.IncomingMessage): Record<string, string> {
  const flat: Record<string, string> = {}
  for (const [name, value] of Object.entries(incoming.headers)) {
    if (value !== undefined) flat[name] = Array.isArray(value) ? value.join(', ') : value
  }
  return flat
}

function asError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error('request aborted')
}
