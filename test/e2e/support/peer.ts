// A program inside a network namespace of its own: serves and dials when told so on standard
// input, one JSON object a line, and answers each on standard output.
import { createSocket, type Socket as UdpSocket } from 'node:dgram'
import { connect, createServer, type Socket } from 'node:net'
import { createInterface } from 'node:readline'

export type PeerCommand =
  | { do: 'serve'; protocol: 'tcp' | 'udp'; port: number; name: string; host?: string }
  /** Connects, reads one line ("NAME CLIENT-ADDRESS"), closes. */
  | {
      do: 'dial'
      protocol: 'tcp' | 'udp'
      host: string
      port: number
      source?: string
      timeoutMs?: number
    }
  /** Like dial, many times in a row; counts the answers. */
  | { do: 'dialMany'; host: string; port: number; times: number }
  /** Keeps a TCP connection or a UDP socket under an id. */
  | { do: 'open'; protocol: 'tcp' | 'udp'; id: string; host: string; port: number }
  | { do: 'say'; id: string; timeoutMs?: number }

export interface PeerAnswer {
  readonly line?: string
  readonly error?: string
  readonly counts?: Readonly<Record<string, number>>
}

const sockets = new Map<string, Socket | { udp: UdpSocket; host: string; port: number }>()

function serveTcp(port: number, name: string, host: string | undefined): Promise<PeerAnswer> {
  const server = createServer((socket) => {
    socket.on('error', () => {})
    socket.write(`${name} ${plain(socket.remoteAddress)}\n`)
    socket.on('data', () => socket.write(`${name} ${plain(socket.remoteAddress)}\n`))
  })
  return new Promise((resolve) => {
    server.on('error', (error) => resolve({ error: codeOf(error) }))
    server.listen({ port, ...(host ? { host } : {}) }, () => resolve({ line: 'listening' }))
  })
}

function serveUdp(port: number, name: string, host: string | undefined): Promise<PeerAnswer> {
  const socket = createSocket(host?.includes(':') ? 'udp6' : 'udp4')
  socket.on('message', (_, from) => socket.send(`${name} ${from.address}`, from.port, from.address))
  return new Promise((resolve) => {
    socket.on('error', (error) => resolve({ error: codeOf(error) }))
    socket.bind(port, host, () => resolve({ line: 'listening' }))
  })
}

function dialTcp(to: {
  host: string
  port: number
  source?: string
  timeoutMs?: number
}): Promise<PeerAnswer> {
  return new Promise((resolve) => {
    const { host, port, source, timeoutMs = 3000 } = to
    const socket = connect({ host, port, ...(source ? { localAddress: source } : {}) })
    socket.setTimeout(timeoutMs, () => done({ error: 'timeout' }))
    const done = (answer: PeerAnswer): void => {
      socket.destroy()
      resolve(answer)
    }
    socket.on('error', (error) => done({ error: codeOf(error) }))
    socket.on('data', (data) => done({ line: data.toString().trim() }))
  })
}

/** A connected socket, so that ICMP errors reach us. */
function dialUdp(to: { host: string; port: number; timeoutMs?: number }): Promise<PeerAnswer> {
  return new Promise((resolve) => {
    const socket = createSocket(to.host.includes(':') ? 'udp6' : 'udp4')
    const timer = setTimeout(() => done({ error: 'timeout' }), to.timeoutMs ?? 1000)
    const done = (answer: PeerAnswer): void => {
      clearTimeout(timer)
      socket.close()
      resolve(answer)
    }
    socket.on('error', (error) => done({ error: codeOf(error) }))
    socket.on('message', (data) => done({ line: data.toString() }))
    socket.connect(to.port, to.host, () => socket.send('hello'))
  })
}

async function dialMany(host: string, port: number, times: number): Promise<PeerAnswer> {
  const counts: Record<string, number> = {}
  for (let left = times; left > 0; left--) {
    const answer = await dialTcp({ host, port })
    const key = answer.error ?? answer.line!.split(' ', 1)[0]!
    counts[key] = (counts[key] ?? 0) + 1
  }
  return { counts }
}

function open(command: Extract<PeerCommand, { do: 'open' }>): Promise<PeerAnswer> {
  const { id, host, port, protocol } = command
  return new Promise((resolve) => {
    if (protocol === 'udp') {
      const udp = createSocket('udp4')
      sockets.set(id, { udp, host, port })
      udp.on('error', () => {})
      udp.bind(0, () => resolve({ line: 'open' }))
      return
    }
    const socket = connect({ host, port })
    sockets.set(id, socket)
    socket.once('data', (data) => resolve({ line: data.toString().trim() }))
    socket.on('error', (error) => resolve({ error: codeOf(error) }))
  })
}

function say(id: string, timeoutMs: number): Promise<PeerAnswer> {
  const kept = sockets.get(id)!
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve({ error: 'timeout' }), timeoutMs)
    const heard = (data: Buffer): void => {
      clearTimeout(timer)
      resolve({ line: data.toString().trim() })
    }
    if ('udp' in kept) {
      kept.udp.removeAllListeners('message')
      kept.udp.once('message', heard)
      kept.udp.send('hello', kept.port, kept.host)
    } else {
      kept.once('data', heard)
      kept.write('hello\n')
    }
  })
}

function run(command: PeerCommand): Promise<PeerAnswer> {
  switch (command.do) {
    case 'serve': {
      const serve = command.protocol === 'tcp' ? serveTcp : serveUdp
      return serve(command.port, command.name, command.host)
    }
    case 'dial':
      return command.protocol === 'tcp' ? dialTcp(command) : dialUdp(command)
    case 'dialMany':
      return dialMany(command.host, command.port, command.times)
    case 'open':
      return open(command)
    case 'say':
      return say(command.id, command.timeoutMs ?? 1000)
  }
}

function plain(address: string | undefined): string {
  return (address ?? '').replace(/^::ffff:/, '')
}

function codeOf(error: Error): string {
  return (error as NodeJS.ErrnoException).code ?? error.message
}

const lines = createInterface({ input: process.stdin })
lines.on('line', (line) => {
  void run(JSON.parse(line) as PeerCommand).then((answer) => {
    process.stdout.write(`${JSON.stringify(answer)}\n`)
  })
})
lines.on('close', () => process.exit(0))
process.stdout.write('{"line":"ready"}\n')
