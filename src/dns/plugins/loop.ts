// loop: finds out at the start whether forwarded queries come back here, which would never end.

import { failure } from '../chain.ts'
import { argumentsOf, onlyLine } from '../directive.ts'
import type { Host } from '../host.ts'
import { pluginLog } from '../lines.ts'
import type { BlockFacts, Instance, Part, Plugin } from '../plugin.ts'
import { TYPE } from '../wire/codes.ts'
import { queryMessage } from '../wire/message.ts'

const giveUpMs = 30_000
const retryMs = 2000
const maxSeen = 2
const helpUrl = 'https://coredns.io/plugins/loop#troubleshooting'

export const loop: Plugin = {
  name: 'loop',
  parse(lines, block): Part {
    argumentsOf(onlyLine(lines), 0)
    return { create: (host) => createInstance(block, host) }
  },
}

function createInstance(block: BlockFacts, host: Host): Instance {
  const zone = block.zones[0] ?? '.'
  const number = () => Buffer.from(host.random.bytes(8)).readBigUInt64BE().toString()
  const probe = `${number()}.${number()}.${zone === '.' ? '' : zone}`
  let seen = 0
  let over = false
  const finish = () => {
    over = true
  }
  return {
    serve: (next) => (query) => {
      if (over || query.question.type !== TYPE.HINFO || query.name !== probe) return next(query)
      if (++seen <= maxSeen) return next(query)
      const { address, port } = query.remote
      const where = `(${address}:${port} -> :${block.port}) detected for zone "${zone}"`
      host.fatal(`plugin/loop: Loop ${where}, see ${helpUrl}. Query: "HINFO ${probe}"`)
      // Not passed on once more: where the process is not ended, the loop is.
      return failure('loop', 'loop detected')
    },
    listening() {
      host.clock.after(giveUpMs, finish)
      void sendProbe({ probe, host, isOver: () => over }).then(finish)
    },
    stop: finish,
  }
}

/** Asks ourselves until somebody answers; then no loop runs, or it was seen on the way. */
async function sendProbe({
  probe,
  host,
  isOver,
}: {
  probe: string
  host: Host
  isOver: () => boolean
}): Promise<void> {
  const target = host.listening[0]
  if (!target?.port) return
  const address = target.address === '' ? '127.0.0.1' : target.address
  const upstream = host.upstreams.open({ address, port: target.port }, { expireMs: retryMs })
  const message = queryMessage(0, { name: probe, type: TYPE.HINFO })
  while (!isOver()) {
    try {
      await upstream.exchange(message, { transport: 'udp', timeoutMs: retryMs })
      break
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error)
      pluginLog(host.log, 'loop').debug(`probe failed: ${text}`)
      await host.clock.sleep(retryMs)
    }
  }
  upstream.close()
}
