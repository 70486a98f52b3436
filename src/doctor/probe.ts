// Connections into Pods with an ordinary user's rights (create pods/portforward): a TCP stream over
// the API's WebSocket, and DNS questions on it. An edge file.
import { Duplex } from 'node:stream'
import { WebSocket } from 'ws'
import type { TransportConfig } from '../client/transport.ts'
import { FrameReader, frame } from '../dns/frames.ts'
import { encodeQuery } from '../dns/query.ts'
import { formatAddress } from '../dns/wire/address.ts'
import { formatRcode, TYPE } from '../dns/wire/codes.ts'
import { decodeMessage } from '../dns/wire/message.ts'
import type { Clock } from '../lib/clock.ts'
import type { DnsAnswer, PortState } from './snapshot.ts'

export interface PodKey {
  readonly namespace: string
  readonly name: string
}

export interface DnsQuestion {
  readonly name: string
  readonly type: 'A' | 'AAAA'
}

export interface Probes {
  /** All questions on one connection to port 53 of a DNS Pod; rejects with ProbeError. */
  askDns(pod: PodKey, questions: readonly DnsQuestion[]): Promise<readonly DnsAnswer[]>
  /** Whether a port accepts connections from within the Pod, at 127.0.0.1. */
  dialLoopback(pod: PodKey, port: number): Promise<PortState>
}

/** The connection could not be made. */
export class ProbeError extends Error {
  readonly code: 'forbidden' | 'refused' | 'timeout' | 'unavailable'

  constructor(code: ProbeError['code'], message: string) {
    super(message)
    this.code = code
  }
}

/** Kubelets' older form of port-forward, which every API server passes on. */
const channelProtocol = 'v4.channel.k8s.io'
const probeTimeoutMs = 2000
const dnsPort = 53
/** A connection that is refused says so at once; silence of this length means it was accepted. */
const acceptedAfterMs = 250

export function createProbes(config: TransportConfig, clock: Clock): Probes {
  return {
    async askDns(pod, questions) {
      const stream = await forward(config, clock, { pod, port: dnsPort })
      try {
        return await askAll(stream, { pod, questions, clock })
      } finally {
        stream.destroy()
      }
    },
    async dialLoopback(pod, port) {
      try {
        const stream = await forward(config, clock, { pod, port })
        return await settle(stream, clock)
      } catch (error) {
        if (error instanceof ProbeError) return error.code === 'refused' ? 'refused' : 'unknown'
        throw error
      }
    },
  }
}

function forward(
  config: TransportConfig,
  clock: Clock,
  { pod, port }: { readonly pod: PodKey; readonly port: number },
): Promise<Duplex> {
  const socket = openSocket(config, pod, port)
  return new Promise((resolve, reject) => {
    const fail = (code: ProbeError['code'], text: string): void => {
      timer.cancel()
      socket.terminate()
      reject(new ProbeError(code, `cannot connect to port ${port} of Pod "${pod.name}": ${text}`))
    }
    const timer = clock.after(probeTimeoutMs, () => fail('timeout', 'no answer in time'))
    socket.on('unexpected-response', (_, response) => {
      response.resume()
      const { statusCode = 0 } = response
      const code = statusCode === 401 || statusCode === 403 ? 'forbidden' : 'unavailable'
      fail(code, `the API server answered ${statusCode}`)
    })
    socket.once('error', (error) => fail('unavailable', error.message))
    socket.once('open', () => {
      timer.cancel()
      resolve(channelStream(socket))
    })
  })
}

function openSocket(config: TransportConfig, pod: PodKey, port: number): WebSocket {
  const path = `/api/v1/namespaces/${pod.namespace}/pods/${pod.name}/portforward?ports=${port}`
  const url = new URL(config.server)
  const prefix = url.pathname.replace(/\/$/, '')
  const token = config.token?.()
  const { ca, cert, key, serverName, insecureSkipTLSVerify, userAgent } = config
  return new WebSocket(
    `${url.protocol === 'http:' ? 'ws' : 'wss'}://${url.host}${prefix}${path}`,
    [channelProtocol],
    {
      headers: {
        'user-agent': userAgent,
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      },
      ...(ca === undefined ? {} : { ca }),
      ...(cert === undefined ? {} : { cert }),
      ...(key === undefined ? {} : { key }),
      ...(serverName === undefined ? {} : { servername: serverName }),
      rejectUnauthorized: insecureSkipTLSVerify !== true,
      perMessageDeflate: false,
    },
  )
}

/**
 * Channel 0 carries data, 1 an error that ends it; each begins with the port in two bytes, which
 * says nothing new.
 */
function channelStream(socket: WebSocket): Duplex {
  const greeted = [false, false]
  const stream = new Duplex({
    read() {},
    write(chunk: Buffer, _, done) {
      socket.send(Buffer.concat([Buffer.from([0]), chunk]), done)
    },
    final(done) {
      done()
    },
    destroy(error, done) {
      socket.terminate()
      done(error)
    },
  })
  socket.on('message', (message: Buffer) => {
    const channel = message[0] ?? 0
    const skip = greeted[channel] ? 1 : 3
    greeted[channel] = true
    const data = message.subarray(skip)
    if (data.length === 0) return
    if (channel === 0) stream.push(data)
    else stream.destroy(refusal(data.toString('utf8')))
  })
  socket.on('error', (error) => stream.destroy(error))
  socket.once('close', () => stream.push(null))
  return stream
}

function refusal(text: string): ProbeError {
  const isRefused = /refused/i.test(text)
  return new ProbeError(isRefused ? 'refused' : 'unavailable', text)
}

function settle(stream: Duplex, clock: Clock): Promise<PortState> {
  return new Promise((resolve) => {
    const finish = (state: PortState): void => {
      timer.cancel()
      stream.destroy()
      resolve(state)
    }
    const timer = clock.after(acceptedAfterMs, () => finish('open'))
    stream.once('data', () => finish('open'))
    stream.once('end', () => finish('open'))
    stream.once('error', (error) =>
      finish(error instanceof ProbeError && error.code === 'refused' ? 'refused' : 'unknown'),
    )
  })
}

interface Asking {
  readonly pod: PodKey
  readonly questions: readonly DnsQuestion[]
  readonly clock: Clock
}

function askAll(stream: Duplex, { pod, questions, clock }: Asking): Promise<readonly DnsAnswer[]> {
  const startMs = clock.monotonic()
  const answers: (DnsAnswer | undefined)[] = questions.map(() => undefined)
  return new Promise((resolve, reject) => {
    const finish = (reason: string): void => {
      timer.cancel()
      resolve(answers.map((answer, index) => answer ?? silent(pod, questions[index]!, reason)))
    }
    const timer = clock.after(probeTimeoutMs, () => finish('no answer in 2 s'))
    const reader = new FrameReader()
    stream.on('data', (chunk: Buffer) => {
      for (const packet of reader.push(chunk)) {
        const index = (packet[0]! << 8) | packet[1]!
        const question = questions[index]
        if (question)
          answers[index] = answerOf(packet, { pod, question, ms: clock.monotonic() - startMs })
      }
      if (answers.every((answer) => answer !== undefined)) finish('')
    })
    stream.once('end', () => finish('the connection was closed'))
    stream.once('error', (error) => {
      timer.cancel()
      reject(error instanceof ProbeError ? error : new ProbeError('unavailable', error.message))
    })
    for (const [index, { name, type }] of questions.entries())
      stream.write(frame(encodeQuery(index, name, type)))
  })
}

const silent = (pod: PodKey, { name, type }: DnsQuestion, error: string): DnsAnswer => ({
  pod: pod.name,
  name,
  type,
  addresses: [],
  error,
  ms: probeTimeoutMs,
})

function answerOf(
  packet: Uint8Array,
  { pod, question, ms }: { pod: PodKey; question: DnsQuestion; ms: number },
): DnsAnswer {
  const { rcode, answers } = decodeMessage(packet)
  const addresses = answers
    .filter(({ type }) => type === TYPE.A || type === TYPE.AAAA)
    .map(({ data }) => formatAddress(data))
  return {
    pod: pod.name,
    name: question.name,
    type: question.type,
    rcode: formatRcode(rcode),
    addresses,
    ms: Math.round(ms),
  }
}
