// Lifecycle hooks: postStart and preStop.
import type { LifecycleHandler } from '../api/types/core.gen.ts'
import type { Clock } from '../lib/clock.ts'
import { httpUrl, type ProbeTarget, portNumber, requestOnce } from './probe.ts'

export interface HookOptions {
  readonly clock: Clock
  readonly signal: AbortSignal
  readonly userAgent: string
}

/** A request without an answer must end some time; upstream's transport gives up then too. */
const httpTimeoutMs = 30_000

/** Resolves when the hook has done its work; rejects with why it did not. */
export async function runHook(
  handler: LifecycleHandler,
  target: ProbeTarget,
  options: HookOptions,
): Promise<void> {
  if (handler.exec) return execHook(handler.exec.command ?? [], target, options)
  if (handler.sleep) {
    await options.clock.sleep(handler.sleep.seconds * 1000, options.signal)
    return
  }
  if (handler.httpGet) return httpHook(handler, target, options)
}

async function execHook(
  argv: readonly string[],
  target: ProbeTarget,
  options: HookOptions,
): Promise<void> {
  const session = target.running.exec({ argv, stdin: false, tty: false })
  let output = ''
  const keep = (chunk: Buffer) => {
    output = (output + chunk.toString('utf8')).slice(-1024)
  }
  session.stdout.on('data', keep)
  session.stderr?.on('data', keep)
  const abort = () => session.close()
  options.signal.addEventListener('abort', abort, { once: true })
  const { exitCode } = await session.exited
  options.signal.removeEventListener('abort', abort)
  if (exitCode !== 0) {
    const command = argv.join(' ')
    throw new Error(`command '${command}' exited with ${exitCode}: ${output.trim()}`)
  }
}

/** Any answer counts; HTTPS that is answered in plain HTTP is asked again so. */
async function httpHook(
  handler: LifecycleHandler,
  target: ProbeTarget,
  options: HookOptions,
): Promise<void> {
  const action = handler.httpGet!
  const port = portNumber(action.port, target.container)
  if (port === undefined) throw new Error(`couldn't find port: ${action.port}`)
  const host = action.host || target.podIP
  const headers: Record<string, string> = { 'User-Agent': options.userAgent, Accept: '*/*' }
  for (const { name, value = '' } of action.httpHeaders ?? []) headers[name] = value
  const limits = { timeoutMs: httpTimeoutMs, clock: options.clock }
  let answer = await requestOnce(httpUrl(action, host, port), headers, limits)
  if (
    'error' in answer &&
    action.scheme === 'HTTPS' &&
    answer.error.includes('wrong version number')
  ) {
    answer = await requestOnce(httpUrl({ ...action, scheme: 'HTTP' }, host, port), headers, limits)
  }
  if ('error' in answer) throw new Error(answer.error)
}
