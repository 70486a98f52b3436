// Upgraded connections: which protocol a client asked for, and the command or forwarding behind it.
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { createWebSocketStream, type WebSocket, WebSocketServer } from 'ws'
import { HttpError } from './http-error.ts'
import { type Dial, forwardByChannels, forwardBySpdy } from './port-forward.ts'
import {
  type CommandOptions,
  expectedStreams,
  type RemoteCommand,
  serveCommand,
  spdyCommand,
  webSocketCommand,
} from './remote-command.ts'
import { type RunningContainer, RuntimeError, type StreamSession } from './runtime.ts'
import { SpdySession, type SpdyStream } from './spdy.ts'

export interface Upgrade {
  readonly request: IncomingMessage
  readonly socket: Duplex
  readonly head: Buffer
  readonly url: URL
}

export type StreamTarget =
  | { readonly kind: 'exec' | 'attach'; readonly running: RunningContainer }
  | { readonly kind: 'portForward'; readonly dial: Dial }

const commandProtocols = ['v5.channel.k8s.io', 'v4.channel.k8s.io']
const spdyCommandProtocols = ['v5.channel.k8s.io', 'v4.channel.k8s.io']
/** "/" is no token character: ws refuses such a name, so it is handled outside of it. */
const tunnelProtocol = 'SPDY/3.1+portforward.k8s.io'
const forwardProtocol = 'portforward.k8s.io'

export async function serveUpgrade(upgrade: Upgrade, target: StreamTarget): Promise<void> {
  const wanted = (upgrade.request.headers.upgrade ?? '').toLowerCase()
  if (wanted === 'websocket') return overWebSocket(upgrade, target)
  if (wanted === 'spdy/3.1') return overSpdy(upgrade, target)
  throw new HttpError(400, 'unable to upgrade: missing upgrade headers in request')
}

async function overWebSocket(upgrade: Upgrade, target: StreamTarget): Promise<void> {
  const offered = (upgrade.request.headers['sec-websocket-protocol'] ?? '')
    .split(',')
    .map((name) => name.trim())
  if (target.kind === 'portForward') {
    if (offered.includes(tunnelProtocol)) {
      const socket = await accept(upgrade, tunnelProtocol)
      forwardBySpdy(createWebSocketStream(socket), target.dial)
      return
    }
    const protocol = choose(offered, commandProtocols)
    const ports = upgrade.url.searchParams
      .getAll('ports')
      .flatMap((text) => text.split(',').map(Number))
    const socket = await accept(upgrade, protocol)
    forwardByChannels(
      socket,
      [...ports, ...upgrade.url.searchParams.getAll('port').map(Number)],
      target.dial,
    )
    return
  }
  const options = commandOptions(upgrade.url)
  const protocol = choose(offered, commandProtocols)
  // A command that cannot run is told before the upgrade, as an ordinary error.
  const session = startSession(target, upgrade.url, options)
  const socket = await accept(upgrade, protocol)
  await serveCommand(session, webSocketCommand(socket, options))
}

function choose(offered: readonly string[], known: readonly string[]): string {
  const protocol = known.find((name) => offered.includes(name))
  if (protocol) return protocol
  throw new HttpError(
    400,
    `unable to upgrade: none of the protocols [${offered.join(' ')}] is supported`,
  )
}

function accept(upgrade: Upgrade, protocol: string): Promise<WebSocket> {
  const { request, socket, head } = upgrade
  delete request.headers['sec-websocket-protocol']
  const server = new WebSocketServer({
    noServer: true,
    perMessageDeflate: false,
    maxPayload: 64 * 1024 * 1024,
  })
  server.on('headers', (headers) => headers.push(`Sec-WebSocket-Protocol: ${protocol}`))
  return new Promise((resolve) => {
    server.handleUpgrade(request, socket, head, (accepted) => resolve(accepted))
  })
}

/** The kubelet's own names, and those of the API it stands behind. */
function commandOptions(url: URL): CommandOptions {
  const asked = (...names: string[]) =>
    names.some((name) => ['1', 'true'].includes(url.searchParams.get(name) ?? ''))
  return {
    stdin: asked('input', 'stdin'),
    stdout: asked('output', 'stdout'),
    stderr: asked('error', 'stderr'),
    tty: asked('tty'),
  }
}

function startSession(
  target: Extract<StreamTarget, { running: unknown }>,
  url: URL,
  options: CommandOptions,
): StreamSession {
  if (target.kind === 'attach') return target.running.attach()
  const argv = url.searchParams.getAll('command')
  if (argv.length === 0) throw new HttpError(400, 'you must specify at least 1 command')
  try {
    return target.running.exec({ argv, stdin: options.stdin, tty: options.tty })
  } catch (error) {
    if (error instanceof RuntimeError) throw new HttpError(500, error.message)
    throw error
  }
}

async function overSpdy(upgrade: Upgrade, target: StreamTarget): Promise<void> {
  const header = upgrade.request.headers['x-stream-protocol-version'] ?? ''
  const offered = (Array.isArray(header) ? header.join(',') : header)
    .split(',')
    .map((name) => name.trim())
  if (target.kind === 'portForward') {
    acceptSpdy(upgrade, choose(offered, [forwardProtocol]))
    forwardBySpdy(upgrade.socket, target.dial)
    return
  }
  const options = commandOptions(upgrade.url)
  acceptSpdy(upgrade, choose(offered, spdyCommandProtocols))
  const remote = await collectStreams(upgrade.socket, options)
  await serveCommand(startSession(target, upgrade.url, options), remote)
}

function acceptSpdy(upgrade: Upgrade, protocol: string): void {
  const lines = [
    'HTTP/1.1 101 Switching Protocols',
    'Connection: Upgrade',
    'Upgrade: SPDY/3.1',
    `X-Stream-Protocol-Version: ${protocol}`,
  ]
  upgrade.socket.write(`${lines.join('\r\n')}\r\n\r\n`)
  if (upgrade.head.length > 0) upgrade.socket.unshift(upgrade.head)
}

/** A client opens one stream for each channel before anything is started. */
function collectStreams(socket: Duplex, options: CommandOptions): Promise<RemoteCommand> {
  const expected = expectedStreams(options)
  const streams = new Map<string, SpdyStream>()
  return new Promise((resolve, reject) => {
    socket.once('close', () => reject(new HttpError(400, 'the client left')))
    const session = new SpdySession(socket, 'server', (stream) => {
      stream.on('error', () => {})
      const type = stream.headers['streamtype'] ?? ''
      if (!expected.includes(type) || streams.has(type)) {
        stream.destroy()
        return
      }
      streams.set(type, stream)
      if (streams.size < expected.length) return
      resolve(
        spdyCommand(streams, {
          onClose: (callback) => socket.once('close', callback),
          close: () => session.close(),
        }),
      )
    })
  })
}
