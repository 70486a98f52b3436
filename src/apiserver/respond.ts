// Writes an Answer to its client, over HTTP/1.1 or an h2 stream. Only here do bytes leave.
import type { ServerResponse } from 'node:http'
import type { ServerHttp2Stream } from 'node:http2'
import { gzip } from 'node:zlib'
import type { Answer, AnswerHeaders, ApiCall, Sink } from './call.ts'
import { headerOf } from './call.ts'

/** Smaller bodies are not worth the time to compress (upstream's limit). */
const gzipFromBytes = 128 * 1024

interface Prepared {
  readonly headers: AnswerHeaders
  readonly pieces: readonly Uint8Array[]
}

async function prepare(call: ApiCall, answer: Answer): Promise<Prepared> {
  const pieces = answer.body ?? []
  let length = 0
  for (const piece of pieces) length += piece.length
  const accepts = headerOf(call.headers, 'accept-encoding') ?? ''
  const worthIt = length > gzipFromBytes && answer.headers['content-encoding'] === undefined
  if (worthIt && /\bgzip\b/.test(accepts) && call.user === undefined) {
    const packed = await compress(Buffer.concat(pieces))
    const headers = {
      ...answer.headers,
      'content-encoding': 'gzip',
      vary: withAcceptEncoding(answer.headers.vary),
      'content-length': String(packed.length),
    }
    return { headers, pieces: [packed] }
  }
  return { headers: { ...answer.headers, 'content-length': String(length) }, pieces }
}

/** What an answer says it depends on already stays. */
export function withAcceptEncoding(vary: string | string[] | undefined): string {
  const names = [vary ?? []].flat().join(', ')
  if (/\bAccept-Encoding\b/i.test(names)) return names
  return names === '' ? 'Accept-Encoding' : `${names}, Accept-Encoding`
}

function compress(bytes: Buffer): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    gzip(bytes, { level: 1 }, (error, packed) => (error ? reject(error) : resolve(packed)))
  })
}

export async function respondH1(
  call: ApiCall,
  answer: Answer,
  response: ServerResponse,
): Promise<void> {
  if (answer.start) {
    response.writeHead(answer.code, answer.headers)
    response.flushHeaders()
    response.socket?.setNoDelay(true)
    answer.start(sinkOf(response, () => response.socket?.destroy()))
    return
  }
  const { headers, pieces } = await prepare(call, answer)
  if (call.method === 'HEAD') delete headers['content-length']
  response.writeHead(answer.code, headers)
  if (pieces.length === 1) {
    response.end(pieces[0])
    return
  }
  response.cork()
  for (const piece of pieces) response.write(piece)
  response.end()
  response.uncork()
}

export async function respondH2(
  call: ApiCall,
  answer: Answer,
  stream: ServerHttp2Stream,
): Promise<void> {
  if (stream.destroyed || stream.closed) return
  if (answer.start) {
    stream.respond({ ':status': answer.code, ...answer.headers })
    answer.start(sinkOf(stream, () => stream.close(2)))
    return
  }
  const { headers, pieces } = await prepare(call, answer)
  if (stream.destroyed || stream.closed) return
  if (call.method === 'HEAD' || pieces.length === 0) {
    stream.respond({ ':status': answer.code, ...headers }, { endStream: true })
    return
  }
  stream.respond({ ':status': answer.code, ...headers })
  // h2 frames small pieces one by one; few large ones are much cheaper.
  stream.end(pieces.length === 1 ? pieces[0] : Buffer.concat(pieces))
}

function sinkOf(output: ServerResponse | ServerHttp2Stream, abort: () => void): Sink {
  const gone = () => output.destroyed || output.closed === true || output.writableEnded
  return {
    write: (chunk) => {
      if (!gone()) output.write(chunk)
    },
    end: () => {
      if (!gone()) output.end()
    },
    abort,
    buffered: () => output.writableLength,
    drained: () =>
      new Promise((resolve) => {
        if (gone() || !output.writableNeedDrain) return resolve()
        const done = () => {
          output.off('drain', done)
          output.off('close', done)
          resolve()
        }
        output.once('drain', done)
        output.once('close', done)
      }),
  }
}
