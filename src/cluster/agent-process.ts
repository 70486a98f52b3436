// The node's agent seen from outside: a child in namespaces of its own, started again when it
// ends unasked. What they say to each other is in messages.ts.
import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import type * as dgram from 'node:dgram'
import type * as net from 'node:net'
import { fileURLToPath } from 'node:url'
import type { Clock } from '../lib/clock.ts'
import type { Component } from '../lib/component.ts'
import { deferred } from '../lib/deferred.ts'
import type { Logger } from '../lib/log.ts'
import { ClusterError } from './cluster-error.ts'
import { explainNamespaces, namespaceCommand } from './host.ts'
import type { AgentConfig, FromAgent, ToAgent } from './messages.ts'

export type Handle = net.Server | dgram.Socket

export interface AgentProcess extends Component {
  readonly pid: number | undefined
  /** Gives the agent a listening socket of the host's namespace. It is closed here once it has arrived. */
  send(message: ToAgent, handle?: Handle): void
}

export interface AgentDeps {
  readonly rootless: boolean
  readonly clock: Clock
  readonly log: Logger
  readonly logFd: number
  onMessage(message: FromAgent, handle: Handle | undefined): void
  /** The agent ended unasked and will be started again. */
  onRestart(reason: string): void
}

const minUptimeMs = 5_000
const restartDelayMs = 500
const stopTimeoutMs = 15_000

/**
 * Spawns at once: namespaces are made and modules loaded while the API server still starts.
 * The configuration follows when it is there; if it never comes, stop() ends what was spawned.
 */
export function startAgentProcess(config: Promise<AgentConfig>, deps: AgentDeps): AgentProcess {
  return new AgentSupervisor(config, deps)
}

class AgentSupervisor implements AgentProcess {
  readonly name = 'agent'
  readonly #config: Promise<AgentConfig>
  readonly #deps: AgentDeps
  #child: ChildProcess
  #startedMs = 0
  #stopping = false
  #everReady = false
  readonly #ready = deferred()

  constructor(config: Promise<AgentConfig>, deps: AgentDeps) {
    this.#config = config
    this.#deps = deps
    this.#child = this.#spawn()
  }

  get pid(): number | undefined {
    return this.#child.pid
  }

  ready(): Promise<void> {
    return this.#ready.promise
  }

  send(message: ToAgent, handle?: Handle): void {
    if (!this.#child.connected) {
      closeHandle(handle)
      return
    }
    // Both copies of a socket would read from it; the agent's is the one that should.
    this.#child.send(message, handle as net.Server | undefined, (error) => {
      if (error && !this.#stopping)
        this.#deps.log.warn('cannot reach the agent', { message: message.type, error })
      closeHandle(handle)
    })
  }

  async stop(): Promise<void> {
    if (this.#stopping) return
    this.#stopping = true
    const child = this.#child
    if (child.exitCode !== null || child.signalCode !== null) return
    const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()))
    this.send({ type: 'stop' })
    const timer = this.#deps.clock.after(stopTimeoutMs, () => child.kill('SIGKILL'))
    await gone
    timer.cancel()
  }

  #spawn(): ChildProcess {
    const [command = '', ...args] = namespaceCommand(this.#deps.rootless)
    const entry = fileURLToPath(
      new URL(
        import.meta.url.endsWith('.ts') ? './agent-main.ts' : './agent-main.js',
        import.meta.url,
      ),
    )
    this.#startedMs = this.#deps.clock.monotonic()
    const child = spawn(
      command,
      [...args, process.execPath, ...process.execArgv, '--max-semi-space-size=1', entry],
      {
        stdio: ['ignore', this.#deps.logFd, this.#deps.logFd, 'ipc'],
        // The agent answers to us alone: a Ctrl-C of the terminal must not reach it before we stop it.
        detached: true,
        env: { PATH: process.env['PATH'], NODE_NO_WARNINGS: '1' },
      },
    )
    child.on('message', (message, handle) =>
      this.#receive(message as FromAgent, handle as Handle | undefined),
    )
    child.once('error', (error) => this.#ended(error.message))
    child.once('exit', (code, signal) =>
      this.#ended(signal ? `ended by ${signal}` : `ended with code ${code}`),
    )
    return child
  }

  #receive(message: FromAgent, handle: Handle | undefined): void {
    if (message.type === 'hello') {
      // Whoever made the configuration reports why there is none.
      this.#config.then((config) => this.send({ type: 'config', config })).catch(() => {})
    }
    if (message.type === 'node-ready') {
      this.#everReady = true
      this.#ready.resolve()
    }
    if (message.type === 'failed') this.#fail(new ClusterError(message.message))
    this.#deps.onMessage(message, handle)
  }

  #fail(error: Error): void {
    this.#ready.reject(error)
  }

  #ended(reason: string): void {
    if (this.#stopping) return
    if (!this.#everReady) {
      this.#stopping = true
      this.#fail(explainNamespaces(this.#deps.rootless))
      return
    }
    this.#deps.log.error('the node agent ended, starting it again', { reason })
    this.#deps.onRestart(reason)
    const quick = this.#deps.clock.monotonic() - this.#startedMs < minUptimeMs
    this.#deps.clock.after(quick ? restartDelayMs : 0, () => {
      if (!this.#stopping) this.#child = this.#spawn()
    })
  }
}

function closeHandle(handle: Handle | undefined): void {
  handle?.close()
}
