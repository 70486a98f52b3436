import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { describe, expect, test } from 'vitest'
import { ffiAvailable } from './ffi.ts'
import { hasIPv6 } from './local-addresses.ts'
import { openUdp } from './udp.ts'

describe.skipIf(!ffiAvailable())('openUdp()', () => {
  for (const [ip, kind] of [
    ['127.0.0.1', 'udp4'],
    ['::1', 'udp6'],
  ] as const)
    test.skipIf(kind === 'udp6' && !hasIPv6())(
      `answers every datagram of a burst, at once or later (${ip})`,
      async () => {
        const server = openUdp({ ip, port: 0, receiveBufferBytes: 1 << 20 })
        server.listen((datagram) => {
          const text = datagram.bytes.toString()
          const answer = Buffer.from(`${text} from ${datagram.peer.ip}`)
          if (Number(text) % 3 === 0) {
            const send = datagram.later()
            setImmediate(() => send(answer))
          } else datagram.reply(answer)
        })
        const client = createSocket(kind)
        const answers = new Set<string>()
        const expected = new Set<string>()
        const all = new Promise<void>((resolve) => {
          client.on('message', (message) => {
            answers.add(message.toString())
            if (answers.size === expected.size) resolve()
          })
        })
        for (let number = 0; number < 200; number++) expected.add(`${number} from ${ip}`)
        for (let number = 0; number < 200; number++)
          client.send(String(number), server.address.port, ip)
        await all
        expect(answers).toEqual(expected)
        client.close()
        await server.close()
      },
    )

  test('drops what is too long, and sends long answers', async () => {
    const server = openUdp({ ip: '127.0.0.1', port: 0 })
    const seen: number[] = []
    server.listen((datagram) => {
      seen.push(datagram.bytes.length)
      datagram.reply(Buffer.alloc(20_000))
    })
    const client = createSocket('udp4')
    client.send(Buffer.alloc(5000), server.address.port, '127.0.0.1')
    client.send(Buffer.alloc(4096), server.address.port, '127.0.0.1')
    const [answer] = (await once(client, 'message')) as [Buffer]
    expect(answer.length).toBe(20_000)
    expect(seen).toEqual([4096])
    client.close()
    await server.close()
  })

  test('a taken port is EADDRINUSE, and is free again after close', async () => {
    const first = openUdp({ ip: '127.0.0.1', port: 0 })
    const { port } = first.address
    expect(() => openUdp({ ip: '127.0.0.1', port })).toThrow('EADDRINUSE')
    first.listen(() => {})
    await first.close()
    await openUdp({ ip: '127.0.0.1', port }).close()
  })
})
