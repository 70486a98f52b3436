// The sockets: one TLS port that speaks h2 and HTTP/1.1 by ALPN, and what comes out of them as calls.
import { createHash, X509Certificate } from 'node:crypto'
import type { Server as HttpServer, IncomingMessage } from 'node:http'
import { createServer as createHttpServer } from 'node:http'
import type { Http2Server, IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2'
import { createServer as createHttp2Server } from 'node:http2'
import type { AddressInfo, Server as NetServer, Socket } from 'node:net'
import type { Duplex, Readable } from 'node:stream'
import type { TLSSocket, Server as TlsServer } from 'node:tls'
import { createServer as createTlsServer } from 'node:tls'
import { statusError } from '../api/machinery/status.ts'
import type { Answer, ApiCall, PeerCertificate, Upgrade } from './call.ts'
import type { ApiserverConfig } from './config.ts'
import { methodNotAllowed } from './not-found.ts'
import type { Pipeline } from './pipeline.ts'
import { respondH1, respondH2 } from './respond.ts'

/** As upstream's MaxRequestBodyBytes. */
export const maxBodyBytes = 3 * 1024 * 1024
/** A client whose body is refused may send this much more before it is cut off. */
const maxDiscardedBytes = 32 * 1024 * 1024
/** client-go keeps idle connections for 90 s; ours must outlive them. */
const keepAliveTimeoutMs = 120_000
const headersTimeoutMs = 32_000
const maxHeaderBytes = 1024 * 1024
/** Unread watches of one client count against its session. */
const maxSessionMemoryMb = 128
const maxConcurrentStreams = 250
const initialWindowBytes = 1024 * 1024

export interface Listener {
  readonly address: string
  readonly port: number
  /** Serves connections of a listener that somebody else opened. */
  adopt(server: NetServer): void
  /** Ends all connections; those that still answer get `graceMs`. */
  close(graceMs: number): Promise<void>
}

export async function openListener(config: ApiserverConfig, pipeline: Pipeline): Promise<Listener> {
  const h1 = createH1(pipeline)
  const h2 = createH2(pipeline)
  const authorities = readAuthorities(config)
  const tls = createTlsServer({
    cert: config.tlsCert,
    key: config.tlsPrivateKey,
    ca: authorities.pems,
    requestCert: true,
    rejectUnauthorized: false,
    minVersion: 'TLSv1.2',
    ALPNProtocols: ['h2', 'http/1.1'],
  })
  const sockets = trackSockets(tls)
  tls.on('secureConnection', (socket: TLSSocket) => {
    socket.setNoDelay(true)
    peers.set(socket, peerOf(socket, authorities))
    if (socket.alpnProtocol === 'h2') h2.serve(socket)
    else h1.emit('connection', socket)
  })
  tls.on('tlsClientError', () => {})
  await listen(tls, config)
  // Without this an http.Server that does not listen itself never closes half-sent requests.
  h1.emit('listening')
  const { address, port } = tls.address() as AddressInfo
  return {
    address,
    port,
    adopt: (server) => server.on('connection', (socket: Socket) => tls.emit('connection', socket)),
    close: async (graceMs) => {
      const closed = new Promise<void>((resolve) => tls.close(() => resolve()))
      h1.closeIdleConnections()
      await sockets.end(graceMs)
      h1.close()
      h2.server.close()
      await closed
    },
  }
}

function listen(tls: TlsServer, config: ApiserverConfig): Promise<void> {
  return new Promise((resolve, reject) => {
    tls.once('error', (error) => {
      const where = `${config.bindAddress}:${config.securePort}`
      reject(new Error(`cannot listen on ${where}: ${error.message}`, { cause: error }))
    })
    tls.listen({ host: config.bindAddress, port: config.securePort, backlog: 1024 }, resolve)
  })
}

interface SocketTracker {
  end(graceMs: number): Promise<void>
}

/** All connections: those that speak, and below each (or before it) the plain one. */
function trackSockets(tls: TlsServer): SocketTracker {
  const plain = new Set<Socket>()
  const speaking = new Set<Socket>()
  const track = (into: Set<Socket>) => (socket: Socket) => {
    into.add(socket)
    socket.on('error', () => {})
    socket.once('close', () => into.delete(socket))
  }
  tls.on('connection', track(plain))
  tls.on('secureConnection', track(speaking))
  const allClosed = () =>
    Promise.all([...speaking].map((socket) => new Promise((done) => socket.once('close', done))))
  return {
    end: async (graceMs) => {
      const closed = allClosed()
      for (const socket of speaking) {
        if (busy(socket) === 0) socket.destroySoon()
        else leaving.add(socket)
      }
      const late = new Promise((done) => setTimeout(done, graceMs).unref())
      await Promise.race([closed, late])
      for (const socket of [...speaking, ...plain]) socket.destroy()
    },
  }
}

/** Requests under way on a connection. */
const inFlight = new WeakMap<object, number>()
/** Connections that close when the last of them is answered. */
const leaving = new WeakSet<object>()
const busy = (socket: object): number => inFlight.get(socket) ?? 0

function addBusy(socket: Socket | null | undefined, by: number): void {
  if (!socket) return
  const now = busy(socket) + by
  inFlight.set(socket, now)
  // What was written last still has to leave.
  if (now === 0 && leaving.has(socket)) setImmediate(() => socket.destroySoon())
}

const peers = new WeakMap<object, PeerCertificate | undefined>()

interface Authorities {
  readonly pems: string[]
  readonly requestheader: ReadonlySet<string>
}

function readAuthorities(config: ApiserverConfig): Authorities {
  const { clientCA, requestheaderClientCA } = config
  const pems = [clientCA, requestheaderClientCA].filter((pem) => pem !== undefined)
  const requestheader = new Set<string>()
  if (requestheaderClientCA !== undefined && requestheaderClientCA !== clientCA) {
    requestheader.add(new X509Certificate(requestheaderClientCA).fingerprint256)
  }
  return { pems, requestheader }
}

function peerOf(socket: TLSSocket, authorities: Authorities): PeerCertificate | undefined {
  if (!socket.authorized) return undefined
  const certificate = socket.getPeerCertificate(true)
  if (!certificate?.subject) return undefined
  let root = certificate
  while (root.issuerCertificate && root.issuerCertificate !== root) root = root.issuerCertificate
  const { CN, O } = certificate.subject as { CN?: string | string[]; O?: string | string[] }
  const commonName = Array.isArray(CN) ? (CN[0] ?? '') : (CN ?? '')
  return {
    commonName,
    organizations: O === undefined ? [] : Array.isArray(O) ? O : [O],
    fingerprint256: createHash('sha256').update(certificate.raw).digest('hex'),
    issuedBy: authorities.requestheader.has(root.fingerprint256) ? 'requestheader' : 'client',
  }
}

/** An answer that cannot be written (a header that HTTP forbids) costs the connection, not the server. */
function answerWith(
  pending: Promise<Answer>,
  respond: (answer: Answer) => Promise<void> | void,
  giveUp: () => void,
): void {
  pending.then(respond).catch(giveUp)
}

function createH1(pipeline: Pipeline): HttpServer {
  const server = createHttpServer({
    keepAliveTimeout: keepAliveTimeoutMs,
    headersTimeout: headersTimeoutMs,
    requestTimeout: 0,
    maxHeaderSize: maxHeaderBytes,
    insecureHTTPParser: false,
  })
  server.on('request', (request, response) => {
    const { socket } = request
    addBusy(socket, 1)
    response.once('close', () => addBusy(socket, -1))
    const call = h1Call(request, (gone) => response.once('close', gone))
    answerWith(
      pipeline(call),
      (answer) => respondH1(call, answer, response),
      () => socket.destroy(),
    )
  })
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on('error', () => {})
    const upgrade: Upgrade = { socket, head, request }
    const call = { ...h1Call(request, (gone) => socket.once('close', gone)), upgrade }
    answerWith(
      pipeline(call),
      (answer) => refuseUpgrade(socket, answer),
      () => socket.destroy(),
    )
  })
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Duplex) => {
    if (!socket.writable || error.code === 'ECONNRESET') socket.destroy()
    else if (error.code === 'HPE_INVALID_METHOD') refuseMethod(socket)
    else {
      const timedOut = error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
      const status = timedOut ? '408 Request Timeout' : '400 Bad Request'
      socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`)
    }
  })
  return server
}

/** The parser does not know the method: answered before there is a request. */
function refuseMethod(socket: Duplex): void {
  const body = [Buffer.from(JSON.stringify(methodNotAllowed().status))]
  refuseUpgrade(socket, { code: 405, headers: { 'content-type': 'application/json' }, body })
}

/** An upgrade that a handler did not take is answered as plain HTTP and closed. */
function refuseUpgrade(socket: Duplex, answer: Answer): void {
  if (answer.taken) return
  const body = Buffer.concat([...(answer.body ?? [])])
  const lines = [`HTTP/1.1 ${answer.code} ${answer.code < 400 ? 'OK' : 'Refused'}`]
  for (const [name, value] of Object.entries(answer.headers)) {
    for (const one of Array.isArray(value) ? value : [value]) lines.push(`${name}: ${one}`)
  }
  lines.push(`content-length: ${body.length}`, 'connection: close', '', '')
  socket.write(lines.join('\r\n'))
  socket.end(body)
}

function h1Call(request: IncomingMessage, onGone: (callback: () => void) => void): ApiCall {
  return callOf({
    method: request.method ?? 'GET',
    target: request.url ?? '/',
    headers: request.headers,
    input: request,
    socket: request.socket,
    onGone,
  })
}

interface H2 {
  readonly server: Http2Server
  serve(socket: TLSSocket): void
}

function createH2(pipeline: Pipeline): H2 {
  const server = createHttp2Server({
    maxSessionMemory: maxSessionMemoryMb,
    settings: { maxConcurrentStreams, initialWindowSize: initialWindowBytes },
  })
  // A session shows its socket through a proxy only; what is known of a peer hangs on the socket.
  const socketOf = new WeakMap<object, TLSSocket>()
  let arriving: TLSSocket | undefined
  server.on('session', (session) => {
    if (arriving) socketOf.set(session, arriving)
    session.setLocalWindowSize(4 * initialWindowBytes)
  })
  server.on('sessionError', () => {})
  server.on('stream', (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
    const socket = stream.session && socketOf.get(stream.session)
    addBusy(socket, 1)
    stream.on('error', () => {})
    stream.once('close', () => addBusy(socket, -1))
    const call = callOf({
      method: headers[':method'] ?? 'GET',
      target: headers[':path'] ?? '/',
      headers: headers as ApiCall['headers'],
      input: stream,
      socket,
      onGone: (callback) => stream.once('close', callback),
    })
    answerWith(
      pipeline(call),
      (answer) => respondH2(call, answer, stream),
      () => stream.destroy(),
    )
  })
  const serve = (socket: TLSSocket) => {
    arriving = socket
    server.emit('connection', socket)
    arriving = undefined
  }
  return { server, serve }
}

interface Incoming {
  readonly method: string
  readonly target: string
  readonly headers: ApiCall['headers']
  readonly input: Readable
  readonly socket: Socket | undefined
  readonly onGone: (callback: () => void) => void
}

function callOf(incoming: Incoming): ApiCall {
  const { method, target, headers, input, socket, onGone } = incoming
  const mark = target.indexOf('?')
  const search = mark < 0 ? '' : target.slice(mark)
  let query: URLSearchParams | undefined
  return {
    method,
    path: mark < 0 ? target : target.slice(0, mark),
    search,
    get query() {
      query ??= new URLSearchParams(search)
      return query
    },
    headers,
    body: () => readBody(input, headers),
    onClose: onGone,
    remoteAddress: socket?.remoteAddress ?? '',
    peer: socket && peers.get(socket),
    stream: () => input,
  }
}

const tooLarge = () =>
  statusError('RequestEntityTooLarge', `Request entity too large: limit is ${maxBodyBytes}`)

/** Reads on past the limit, so that a client that sends first still gets its answer. */
function readBody(input: Readable, headers: ApiCall['headers']): Promise<Buffer> {
  if (headers['content-length'] === '0') return Promise.resolve(Buffer.alloc(0))
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let length = 0
    input.on('data', (chunk: Buffer) => {
      length += chunk.length
      if (length <= maxBodyBytes) chunks.push(chunk)
      else if (length > maxDiscardedBytes) input.destroy()
      else chunks.length = 0
    })
    input.once('end', () => {
      if (length > maxBodyBytes) reject(tooLarge())
      else resolve(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks))
    })
    input.once('error', reject)
    input.once('aborted', () => reject(statusError('BadRequest', 'the client went away')))
  })
}
