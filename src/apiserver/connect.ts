// Connections to others: kubelets, and what pods, services and nodes are proxied to. Bytes of an
// upgraded connection are passed on as they are; nothing is translated.
import type { ClientRequest, IncomingMessage } from 'node:http'
import { request as httpRequest } from 'node:http'
import { connect as connectTcp } from 'node:net'
import type { Duplex } from 'node:stream'
import type { TLSSocket } from 'node:tls'
import { connect as connectTls } from 'node:tls'
import { statusError } from '../api/machinery/status.ts'
import { realProtocols } from './authentication.ts'
import type { Answer, AnswerHeaders, ApiCall, Headers, Sink } from './call.ts'
import { taken } from './call.ts'

export type Dial = (host: string, port: number) => Promise<Duplex>

export const dialTcp: Dial = (host, port) =>
  new Promise((resolve, reject) => {
    const socket = connectTcp({ host, port, noDelay: true })
    socket.once('connect', () => resolve(socket))
    socket.once('error', reject)
  })

export interface Target {
  readonly host: string
  readonly port: number
  /** Path and query. */
  readonly path: string
  readonly tls?: TlsOptions | undefined
  /** As in messages: "pod "web" on node "n1"". */
  readonly shown: string
}

export interface TlsOptions {
  readonly cert?: string | undefined
  readonly key?: string | undefined
  /** Absent: whoever answers is believed, as upstream does for https proxies to Pods. */
  readonly ca?: string | undefined
}

/** Not passed on: they belong to one connection, or prove something to this server only. */
const ownHeaders = new Set([
  'authorization',
  'connection',
  'keep-alive',
  'proxy-authorization',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'host',
  'http2-settings',
])

/** A client that reads slowly holds its source back from here on. */
const maxBufferedBytes = 1024 * 1024

async function open(dial: Dial, target: Target): Promise<Duplex> {
  const { host, port, tls, shown } = target
  try {
    const socket = await dial(host, port)
    return tls ? await secure(socket, host, tls) : socket
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error)
    throw statusError('ServiceUnavailable', `error trying to reach ${shown}: ${text}`)
  }
}

function secure(socket: Duplex, host: string, { cert, key, ca }: TlsOptions): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const own = cert === undefined || key === undefined ? {} : { cert, key }
    const trust = ca === undefined ? { rejectUnauthorized: false } : { ca }
    const secured = connectTls({ socket, ...own, ...trust, ...serverName(host) })
    secured.once('secureConnect', () => resolve(secured))
    secured.once('error', reject)
  })
}

/** The address itself must stand in the certificate; SNI knows names only. */
const serverName = (host: string) => (/^[\d.]+$|:/.test(host) ? { host } : { servername: host })

function forwarded(headers: Headers, drop: ReadonlySet<string> = ownHeaders): AnswerHeaders {
  const kept: AnswerHeaders = {}
  for (const [name, value] of Object.entries(headers)) {
    const own = name.startsWith(':') || name.startsWith('impersonate-') || drop.has(name)
    if (value !== undefined && !own) kept[name] = value
  }
  return kept
}

/** Hands a client that wants to leave HTTP over to the target, from the request's head on. */
export async function proxyUpgrade(call: ApiCall, dial: Dial, target: Target): Promise<Answer> {
  const { upgrade } = call
  if (!upgrade) throw statusError('BadRequest', 'Upgrade request required')
  const far = await open(dial, target)
  const near = upgrade.socket
  const headers = forwarded(call.headers)
  headers.host = `${target.host}:${target.port}`
  headers.connection = 'Upgrade'
  headers.upgrade = String(call.headers.upgrade ?? '')
  const protocols = realProtocols(call)
  if (protocols.length > 0) headers['sec-websocket-protocol'] = protocols.join(', ')
  const lines = [`${call.method} ${target.path} HTTP/1.1`]
  for (const [name, value] of Object.entries(headers)) {
    for (const one of Array.isArray(value) ? value : [value]) lines.push(`${name}: ${one}`)
  }
  far.write(`${lines.join('\r\n')}\r\n\r\n`)
  if (upgrade.head.length > 0) far.write(upgrade.head)
  join(near, far)
  return taken
}

/** Each side's end and failure become the other's. */
function join(near: Duplex, far: Duplex): void {
  near.pipe(far)
  far.pipe(near)
  const close = () => {
    near.destroy()
    far.destroy()
  }
  for (const socket of [near, far]) {
    socket.on('error', close)
    socket.once('close', close)
  }
}

export interface ProxyOptions {
  /** For Location headers: the path that the target's root has here. */
  readonly base?: string
  /** Header names that are set or replaced. */
  readonly headers?: Readonly<Record<string, string>>
}

/** Sends the request on and its answer back, both as they stream. */
export async function proxyRequest(
  call: ApiCall,
  dial: Dial,
  { target, options = {} }: { readonly target: Target; readonly options?: ProxyOptions },
): Promise<Answer> {
  const socket = await open(dial, target)
  const response = await exchange(call, socket, { target, headers: options.headers ?? {} })
  const headers = forwarded(response.headers, hopHeaders)
  const { location } = headers
  if (typeof location === 'string' && options.base !== undefined) {
    headers.location = rewriteLocation(location, options.base)
  }
  return {
    code: response.statusCode ?? 502,
    headers,
    start: (sink) => pump(response, sink, (stop) => call.onClose(stop)),
  }
}

const hopHeaders = new Set(['connection', 'keep-alive', 'transfer-encoding', 'upgrade', 'trailer'])

function rewriteLocation(location: string, base: string): string {
  if (!location.startsWith('/')) return location
  return base.replace(/\/$/, '') + location
}

interface Outgoing {
  readonly target: Target
  readonly headers: Readonly<Record<string, string>>
}

function exchange(
  call: ApiCall,
  socket: Duplex,
  { target, headers }: Outgoing,
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const outgoing: ClientRequest = httpRequest({
      method: call.method,
      path: target.path,
      headers: { ...forwarded(call.headers), host: `${target.host}:${target.port}`, ...headers },
      createConnection: () => socket,
    })
    outgoing.once('response', resolve)
    outgoing.once('error', (error) => {
      const text = `error trying to reach ${target.shown}: ${error.message}`
      reject(statusError('ServiceUnavailable', text))
    })
    call.onClose(() => outgoing.destroy())
    void send(call, outgoing)
  })
}

async function send(call: ApiCall, outgoing: ClientRequest): Promise<void> {
  try {
    if (call.method !== 'GET' && call.method !== 'HEAD') {
      for await (const chunk of call.stream()) {
        if (!outgoing.write(chunk)) await new Promise((resolve) => outgoing.once('drain', resolve))
      }
    }
    outgoing.end()
  } catch {
    outgoing.destroy()
  }
}

function pump(response: IncomingMessage, sink: Sink, onGone: (stop: () => void) => void): void {
  onGone(() => response.destroy())
  response.on('data', (chunk: Buffer) => {
    sink.write(chunk)
    if (sink.buffered() < maxBufferedBytes) return
    response.pause()
    void sink.drained().then(() => response.resume())
  })
  response.once('end', () => sink.end())
  response.once('error', () => sink.abort())
}
