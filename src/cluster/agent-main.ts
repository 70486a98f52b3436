// Entry of the agent's process: takes its configuration from the parent, says what happens to it.
import * as dgram from 'node:dgram'
import * as net from 'node:net'
import { createLogger } from '../lib/log.ts'
import type { Agent, Handle } from './agent.ts'
import { startAgent } from './agent.ts'
import type { AgentConfig, FromAgent, ToAgent } from './messages.ts'

/** A handle is only a copy once it is sent: while it stays open here, it takes connections away. */
function send(message: FromAgent, handle?: Handle): Promise<void> {
  return new Promise((resolve) => {
    if (!process.connected) return
    process.send?.(message, handle, { keepOpen: false }, (error) => {
      if (error) process.exit(1)
      if (handle) handle.close(() => resolve())
      else resolve()
    })
  })
}

let agent: Agent | undefined
const early: { message: ToAgent; handle: Handle | undefined }[] = []

async function start(config: AgentConfig): Promise<void> {
  const log = createLogger({ level: config.verbose ? 'debug' : 'info' })
  try {
    agent = await startAgent(config, { send }, log)
    for (const { message, handle } of early.splice(0)) agent.receive(message, handle)
  } catch (error) {
    log.error('cannot start the node', { error })
    void send({ type: 'failed', message: error instanceof Error ? error.message : String(error) })
  }
}

async function stop(): Promise<void> {
  await agent?.stop()
  process.exit(0)
}

process.on('message', (message: ToAgent, received: unknown) => {
  const handle =
    received instanceof net.Server || received instanceof dgram.Socket ? received : undefined
  if (message.type === 'config') void start(message.config)
  else if (message.type === 'stop') void stop()
  else if (agent) agent.receive(message, handle)
  else early.push({ message, handle })
})
// Without the parent there is no API: the kernel ends everything in these namespaces with us.
process.on('disconnect', () => process.exit(1))
void send({ type: 'hello' })
