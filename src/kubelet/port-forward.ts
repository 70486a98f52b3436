// port-forward: pairs of streams, one for errors and one for data, each pair a connection in the Pod.
import { type Duplex, PassThrough, pipeline } from 'node:stream'
import type { WebSocket } from 'ws'
import { socketChannel } from './remote-command.ts'
import { SpdySession, type SpdyStream } from './spdy.ts'

export type Dial = (port: number) => Promise<Duplex>

/** kubectl's form, inside a WebSocket or after an upgrade: streams are paired by "requestid". */
export function forwardBySpdy(connection: Duplex, dial: Dial): void {
  const pairs = new Map<string, { error?: SpdyStream; data?: SpdyStream }>()
  const session = new SpdySession(connection, 'server', (stream) => {
    const { streamtype, requestid = '', port } = stream.headers
    stream.on('error', () => {})
    if (streamtype !== 'error' && streamtype !== 'data') {
      stream.destroy()
      return
    }
    const pair = pairs.get(requestid) ?? {}
    pair[streamtype] = stream
    pairs.set(requestid, pair)
    if (!pair.error || !pair.data) return
    pairs.delete(requestid)
    void forwardOne(pair.data, pair.error, { port: Number(port), dial })
  })
  connection.once('close', () => session.close())
}

interface Target {
  readonly port: number
  readonly dial: Dial
}

async function forwardOne(data: Duplex, error: Duplex, target: Target): Promise<void> {
  error.resume()
  try {
    const inside = await target.dial(target.port)
    await join(data, inside)
    error.end()
  } catch (cause) {
    error.end(failure(target.port, cause))
    data.end()
    data.resume()
  }
}

function failure(port: number, cause: unknown): string {
  const text = cause instanceof Error ? cause.message : String(cause)
  return `error forwarding port ${port} to pod: ${text}`
}

/** Both directions; ends when both have, or when either fails. */
function join(one: Duplex, other: Duplex): Promise<void> {
  return new Promise((resolve) => {
    let open = 2
    const done = (error?: Error | null) => {
      if (error) {
        one.destroy()
        other.destroy()
      }
      if (--open === 0) resolve()
    }
    pipeline(one, other, done)
    pipeline(other, one, done)
  })
}

/** The older form: channels 2i and 2i + 1 of v4.channel.k8s.io, ports named in the query. */
export function forwardByChannels(socket: WebSocket, ports: readonly number[], dial: Dial): void {
  const inputs = ports.map((port, index) => {
    const input = new PassThrough()
    const output = socketChannel(socket, index * 2)
    const errors = socketChannel(socket, index * 2 + 1)
    const hello = Buffer.alloc(2)
    hello.writeUInt16LE(port)
    output.write(hello)
    errors.write(hello)
    dial(port).then(
      (inside) => {
        inside.on('error', () => inside.destroy())
        input.pipe(inside).pipe(output)
        socket.once('close', () => inside.destroy())
      },
      (cause: unknown) => errors.write(failure(port, cause)),
    )
    return input
  })
  socket.on('message', (message: Buffer) => {
    const channel = message[0] ?? 1
    const input = channel % 2 === 0 ? inputs[channel / 2] : undefined
    if (input && !input.write(message.subarray(1))) {
      socket.pause()
      input.once('drain', () => socket.resume())
    }
  })
}
