// Passes bytes between a socket of one network namespace and one of another: connections of a
// server, datagrams of a UDP socket. Which namespace each end is in was decided where it was made.
import * as dgram from 'node:dgram'
import type * as net from 'node:net'

/** Answers each connection of the server with one dialled anew, until both ends are closed. */
export function relayConnections(server: net.Server, dial: () => net.Socket): void {
  server.on('connection', (near: net.Socket) => {
    const far = dial()
    near.setNoDelay(true)
    far.setNoDelay(true)
    // Whatever ends one side ends the other; the peer sees a reset or a close, as it would directly.
    near.once('error', () => far.destroy())
    far.once('error', () => near.destroy())
    near.pipe(far)
    far.pipe(near)
  })
}

interface Session {
  readonly socket: dgram.Socket
  lastUsedMs: number
}

const sessionIdleMs = 30_000
const maxSessions = 4096

export interface DatagramTarget {
  readonly address: string
  readonly port: number
}

/**
 * Sends each datagram on to the target from a socket of its sender's own, and the answers back.
 * `target` is asked for each new sender; without one `refuse` says what to answer, if anything.
 */
export function relayDatagrams(
  near: dgram.Socket,
  target: () => DatagramTarget | undefined,
  refuse: (message: Buffer) => Buffer | undefined = () => undefined,
): () => void {
  const sessions = new Map<string, Session>()
  const sweep = setInterval(() => {
    const oldestMs = performance.now() - sessionIdleMs
    for (const [sender, session] of sessions) if (session.lastUsedMs < oldestMs) close(sender)
  }, sessionIdleMs / 2)
  sweep.unref()

  const close = (sender: string) => {
    sessions.get(sender)?.socket.close()
    sessions.delete(sender)
  }

  const open = (sender: dgram.RemoteInfo, id: string): Session | undefined => {
    const to = target()
    if (!to || sessions.size >= maxSessions) return undefined
    const socket = dgram.createSocket(to.address.includes(':') ? 'udp6' : 'udp4')
    const session: Session = { socket, lastUsedMs: performance.now() }
    // The answer may only come from the target: the socket is connected to it.
    socket.connect(to.port, to.address)
    socket.on('message', (message) => near.send(message, sender.port, sender.address))
    socket.on('error', () => close(id))
    sessions.set(id, session)
    return session
  }

  near.on('message', (message, sender) => {
    const id = `${sender.address}|${sender.port}`
    const session = sessions.get(id) ?? open(sender, id)
    if (!session) {
      const answer = refuse(message)
      if (answer) near.send(answer, sender.port, sender.address)
      return
    }
    session.lastUsedMs = performance.now()
    whenConnected(session.socket, () => session.socket.send(message))
  })

  return () => {
    clearInterval(sweep)
    for (const sender of [...sessions.keys()]) close(sender)
  }
}

function whenConnected(socket: dgram.Socket, send: () => void): void {
  try {
    socket.remoteAddress()
    send()
  } catch {
    socket.once('connect', send)
  }
}
