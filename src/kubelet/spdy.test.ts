import { Duplex } from 'node:stream'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { forwardBySpdy } from './port-forward.ts'
import { SpdySession, type SpdyStream } from './spdy.ts'
import { spdyDictionary } from './spdy-dictionary.ts'

/** Two ends of a connection that delivers bytes in pieces of at most so many. */
function connection(pieceBytes = 7): [Duplex, Duplex] {
  const make = (other: () => Duplex) =>
    new Duplex({
      read() {},
      write(chunk: Buffer, _encoding, done) {
        for (let start = 0; start < chunk.length; start += pieceBytes) {
          other().push(chunk.subarray(start, start + pieceBytes))
        }
        setImmediate(done)
      },
      final(done) {
        other().push(null)
        done()
      },
    })
  const one: Duplex = make(() => two)
  const two: Duplex = make(() => one)
  return [one, two]
}

function textOf(stream: Duplex): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = ''
    stream.on('data', (chunk: Buffer) => {
      text += chunk.toString('utf8')
    })
    stream.once('end', () => resolve(text))
    stream.once('error', reject)
  })
}

describe('the dictionary', () => {
  it('is the one of SPDY/3', () => {
    let [low, high] = [1, 0]
    for (const byte of spdyDictionary) {
      low = (low + byte) % 65521
      high = (high + low) % 65521
    }
    expect([spdyDictionary.length, ((high << 16) | low) >>> 0]).toEqual([1423, 0xe3c6a7c2])
  })
})

describe('SpdySession', () => {
  it('carries headers and bytes both ways, whatever the pieces', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 50 }),
        fc.array(fc.tuple(fc.stringMatching(/^[a-z]{1,9}$/), fc.string()), { maxLength: 5 }),
        fc.array(fc.string(), { maxLength: 5 }),
        async (pieces, headerList, texts) => {
          const headers = Object.fromEntries(headerList)
          const [near, far] = connection(pieces)
          const accepted = new Promise<SpdyStream>((resolve) => {
            new SpdySession(far, 'server', resolve)
          })
          const client = new SpdySession(near, 'client', () => {})
          const stream = await client.open(headers)
          for (const text of texts) stream.write(text)
          stream.end()
          const peer = await accepted
          expect(peer.headers).toEqual(headers)
          expect(await textOf(peer)).toBe(texts.join(''))
          peer.end('answer')
          expect(await textOf(stream)).toBe('answer')
          client.close()
        },
      ),
      { numRuns: 20 },
    )
  })

  it('answers pings', async () => {
    const [near, far] = connection()
    new SpdySession(far, 'server', () => {})
    const ping = Buffer.from('80030006000000040000002b', 'hex')
    near.write(ping)
    const answer = await new Promise<Buffer>((resolve) => {
      let bytes = Buffer.alloc(0)
      near.on('data', (chunk: Buffer) => {
        bytes = Buffer.concat([bytes, chunk])
        if (bytes.length >= ping.length) resolve(bytes)
      })
    })
    expect(answer).toEqual(ping)
  })

  it('ends a connection that sends a frame beyond the limit', async () => {
    const [near, far] = connection(64)
    new SpdySession(far, 'server', () => {})
    near.resume()
    const ended = new Promise((resolve) => near.once('end', resolve))
    near.write(Buffer.from('0000000100ffffff', 'hex'))
    await ended
  })

  it('resets what is open when the connection ends', async () => {
    const [near, far] = connection()
    const accepted = new Promise<SpdyStream>((resolve) => {
      new SpdySession(far, 'server', resolve)
    })
    const client = new SpdySession(near, 'client', () => {})
    await client.open({})
    const peer = await accepted
    const closed = new Promise((resolve) => peer.once('close', resolve))
    near.end()
    await closed
  })
})

describe('forwardBySpdy()', () => {
  const echo = () => {
    const [near, far] = connection()
    far.pipe(far)
    return Promise.resolve(near)
  }

  it('joins a pair of streams to a connection, and tells why it cannot on the error stream', async () => {
    const [near, far] = connection(1000)
    forwardBySpdy(far, (port) =>
      port === 80 ? echo() : Promise.reject(new Error('connection refused')),
    )
    const client = new SpdySession(near, 'client', () => {})
    const request = async (port: string, requestid: string) => {
      const error = await client.open({ streamtype: 'error', port, requestid })
      const data = await client.open({ streamtype: 'data', port, requestid })
      error.end()
      data.end('hello')
      return [await textOf(data), await textOf(error)]
    }
    expect(await request('80', '0')).toEqual(['hello', ''])
    expect(await request('81', '1')).toEqual([
      '',
      'error forwarding port 81 to pod: connection refused',
    ])
    client.close()
  })
})
