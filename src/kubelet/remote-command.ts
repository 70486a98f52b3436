// exec and attach over a connection: five channels, by WebSocket messages or SPDY streams.
import type { Readable, Writable } from 'node:stream'
import { PassThrough } from 'node:stream'
import type { WebSocket } from 'ws'
import type { WindowSize } from '../linux/pty.ts'
import type { StreamSession } from './runtime.ts'
import type { SpdyStream } from './spdy.ts'

export interface CommandOptions {
  readonly stdin: boolean
  readonly stdout: boolean
  readonly stderr: boolean
  readonly tty: boolean
}

/** The client's side of a command. */
export interface RemoteCommand {
  readonly stdin: Readable | undefined
  readonly stdout: Writable | undefined
  readonly stderr: Writable | undefined
  onResize(resize: (size: WindowSize) => void): void
  onClose(closed: () => void): void
  /** The last word: a Status as JSON. Output written before it arrives before it. */
  finish(status: string): void
}

export async function serveCommand(session: StreamSession, remote: RemoteCommand): Promise<void> {
  remote.onResize((size) => session.resize(size))
  let closed = false
  remote.onClose(() => {
    closed = true
    session.close()
  })
  if (session.stdin && remote.stdin) remote.stdin.pipe(session.stdin)
  const outputs = [carry(session.stdout, remote.stdout)]
  if (session.stderr) outputs.push(carry(session.stderr, remote.stderr))
  const { exitCode } = await session.exited
  await Promise.all(outputs)
  if (!closed) remote.finish(exitStatus(exitCode))
}

/** Resolves when everything was handed over. Without a taker it is thrown away: the program goes on. */
function carry(from: Readable, to: Writable | undefined): Promise<void> {
  if (to) from.pipe(to, { end: false })
  else from.resume()
  return new Promise((resolve) => {
    from.once('end', resolve)
    from.once('close', resolve)
    from.once('error', () => resolve())
    to?.once('close', () => {
      from.resume()
      resolve()
    })
  })
}

/** As Kubernetes words it: the code stands in a cause, where kubectl looks for it. */
export function exitStatus(exitCode: number): string {
  if (exitCode === 0) return JSON.stringify({ metadata: {}, status: 'Success' })
  return JSON.stringify({
    metadata: {},
    status: 'Failure',
    message: `command terminated with non-zero exit code: command terminated with exit code ${exitCode}`,
    reason: 'NonZeroExitCode',
    details: { causes: [{ reason: 'ExitCode', message: String(exitCode) }] },
  })
}

const channels = { stdin: 0, stdout: 1, stderr: 2, error: 3, resize: 4, close: 255 } as const
/** Output is held back while a client has this much unread. */
const maxUnsentBytes = 1024 * 1024

/** v4 and v5.channel.k8s.io: the first byte of each message is its channel. */
export function webSocketCommand(socket: WebSocket, options: CommandOptions): RemoteCommand {
  const stdin = options.stdin ? new PassThrough() : undefined
  let resize: ((size: WindowSize) => void) | undefined
  socket.on('message', (data: Buffer) => {
    const payload = data.subarray(1)
    if (data[0] === channels.stdin && stdin) {
      if (!stdin.write(payload)) {
        socket.pause()
        stdin.once('drain', () => socket.resume())
      }
    } else if (data[0] === channels.resize) {
      const size = parseSize(payload)
      if (size) resize?.(size)
    } else if (data[0] === channels.close && payload[0] === channels.stdin) stdin?.end()
  })
  const output = (channel: number) => socketChannel(socket, channel)
  return {
    stdin,
    stdout: options.stdout ? output(channels.stdout) : undefined,
    stderr: options.stderr && !options.tty ? output(channels.stderr) : undefined,
    onResize(callback) {
      resize = callback
    },
    onClose(callback) {
      socket.once('close', callback)
      socket.on('error', () => socket.terminate())
    },
    finish(status) {
      socket.send(Buffer.concat([Buffer.from([channels.error]), Buffer.from(status)]))
      socket.close(1000)
    },
  }
}

export function socketChannel(socket: WebSocket, channel: number): Writable {
  const stream = new PassThrough()
  stream.on('data', (chunk: Buffer) => {
    if (socket.readyState !== socket.OPEN) return
    socket.send(Buffer.concat([Buffer.from([channel]), chunk]), () => {
      if (stream.isPaused() && socket.bufferedAmount < maxUnsentBytes) stream.resume()
    })
    if (socket.bufferedAmount > maxUnsentBytes) stream.pause()
  })
  socket.once('close', () => stream.destroy())
  return stream
}

function parseSize(payload: Buffer): WindowSize | undefined {
  try {
    const { Width, Height } = JSON.parse(payload.toString('utf8')) as Record<string, unknown>
    if (typeof Width !== 'number' || typeof Height !== 'number') return undefined
    return { columns: Width, rows: Height }
  } catch {
    return undefined
  }
}

/** How many streams a SPDY client opens for a command. */
export function expectedStreams(options: CommandOptions): readonly string[] {
  return [
    'error',
    ...(options.stdin ? ['stdin'] : []),
    ...(options.stdout ? ['stdout'] : []),
    ...(options.stderr && !options.tty ? ['stderr'] : []),
    ...(options.tty ? ['resize'] : []),
  ]
}

/** The streams by their "streamtype" header. */
export function spdyCommand(
  streams: ReadonlyMap<string, SpdyStream>,
  connection: { onClose(callback: () => void): void; close(): void },
): RemoteCommand {
  const error = streams.get('error')
  return {
    stdin: streams.get('stdin'),
    stdout: streams.get('stdout'),
    stderr: streams.get('stderr'),
    onResize(resize) {
      let text = ''
      streams.get('resize')?.on('data', (chunk: Buffer) => {
        text += chunk.toString('utf8')
        for (let end = text.indexOf('}'); end >= 0; end = text.indexOf('}')) {
          const size = parseSize(Buffer.from(text.slice(0, end + 1)))
          text = text.slice(end + 1)
          if (size) resize(size)
        }
      })
    },
    onClose: (callback) => connection.onClose(callback),
    finish(status) {
      for (const name of ['stdout', 'stderr']) streams.get(name)?.end()
      error?.end(status, () => connection.close())
    },
  }
}
