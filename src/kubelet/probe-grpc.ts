// The gRPC health check (grpc.health.v1.Health/Check), over plain-text HTTP/2. Loaded on first use.
import { connect } from 'node:http2'
import type { ProbeOptions, ProbeOutcome } from './probe-outcome.ts'

export interface GrpcTarget {
  readonly host: string
  readonly port: number
  readonly service: string
}

const serving = 1
const unimplemented = '12'

export function probeGrpc(target: GrpcTarget, options: ProbeOptions): Promise<ProbeOutcome> {
  const authority = target.host.includes(':') ? `[${target.host}]` : target.host
  const session = connect(`http://${authority}:${target.port}`)
  return new Promise((resolve) => {
    const end = (outcome: ProbeOutcome) => {
      timer.cancel()
      session.destroy()
      resolve(outcome)
    }
    const failed = (text: string) => end({ result: 'failure', text })
    const timer = options.clock.after(options.timeoutMs, () =>
      failed(
        `timeout: failed to connect service "${authority}:${target.port}" within ${options.timeoutMs / 1000}s`,
      ),
    )
    session.once('error', (error) => failed(`error: ${error.message}`))
    const stream = session.request({
      ':method': 'POST',
      ':path': '/grpc.health.v1.Health/Check',
      'content-type': 'application/grpc',
      te: 'trailers',
      'user-agent': options.userAgent,
    })
    let status: string | undefined
    const body: Buffer[] = []
    stream.on('response', (headers) => {
      status = headers['grpc-status'] as string | undefined
    })
    stream.on('trailers', (trailers) => {
      status = trailers['grpc-status'] as string | undefined
    })
    stream.on('data', (chunk: Buffer) => body.push(chunk))
    stream.once('error', (error) => failed(`error: ${error.message}`))
    stream.once('end', () => end(verdict(status, Buffer.concat(body))))
    stream.end(frame(request(target.service)))
  })
}

/** HealthCheckRequest { string service = 1 } */
function request(service: string): Buffer {
  if (service === '') return Buffer.alloc(0)
  const name = Buffer.from(service)
  return Buffer.concat([Buffer.from([0x0a, name.length]), name])
}

function frame(message: Buffer): Buffer {
  const head = Buffer.alloc(5)
  head.writeUInt32BE(message.length, 1)
  return Buffer.concat([head, message])
}

/** HealthCheckResponse { ServingStatus status = 1 }, where SERVING is 1. */
function verdict(status: string | undefined, body: Buffer): ProbeOutcome {
  if (status === unimplemented) {
    const text =
      'error: this server does not implement the grpc health protocol (grpc.health.v1.Health)'
    return { result: 'failure', text }
  }
  if (status !== undefined && status !== '0') {
    return { result: 'failure', text: `error: health rpc failed with status ${status}` }
  }
  const value = body.length >= 7 && body[5] === 0x08 ? body[6] : 0
  if (value === serving) return { result: 'success', text: '' }
  const names = ['UNKNOWN', 'SERVING', 'NOT_SERVING', 'SERVICE_UNKNOWN']
  const name = names[value ?? 0] ?? String(value)
  return { result: 'failure', text: `service unhealthy (responded with "${name}")` }
}
