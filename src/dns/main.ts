// `signpost dns`: the server as a process of its own, with CoreDNS's flags, signals and exit codes.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { systemClock } from '../lib/clock.ts'
import { systemRandom } from '../lib/random.ts'
import { emptyCorefile } from './config.ts'
import { connectCluster } from './connect.ts'
import type { Dns, DnsConfig } from './dns.ts'
import { coreDnsVersion, platform, startDns } from './dns.ts'
import type { DnsFlags } from './flags.ts'
import { FlagError, parseFlags, usage } from './flags.ts'
import { plugins } from './plugins.ts'

/** Runs until a signal ends it; resolves with the exit code. */
export async function runDns(args: readonly string[], version: string): Promise<number> {
  let flags: DnsFlags
  try {
    flags = parseFlags(args)
  } catch (error) {
    if (!(error instanceof FlagError)) throw error
    process.stderr.write(`${error.message}\n${usage}`)
    return 2
  }
  if (flags.help) process.stdout.write(usage)
  else if (flags.version) process.stdout.write(versionText(version))
  else if (flags.plugins) process.stdout.write(pluginsText())
  else return serve(flags, version)
  return 0
}

const versionText = (version: string) =>
  `CoreDNS-${coreDnsVersion}\n${platform()}, signpost-${version}\n`

const pluginsText = () =>
  `Server types:\n  dns\n\nOther plugins:\n${plugins
    .map(({ name }) => `  dns.${name}\n`)
    .sort()
    .join('')}`

async function serve(flags: DnsFlags, version: string): Promise<number> {
  const config: DnsConfig = {
    corefile: corefileOf(flags),
    version,
    quiet: flags.quiet,
    ...(flags.dnsPort === undefined ? {} : { dnsPort: flags.dnsPort }),
  }
  if (flags.pidfile !== undefined) writeFileSync(flags.pidfile, `${process.pid}\n`)
  const ended = untilSignal()
  try {
    const dns = startDns(config, {
      clock: systemClock,
      random: systemRandom,
      write: (text) => void process.stdout.write(text),
      connect: connectCluster,
      environment: process.env,
      fatal: () => setImmediate(() => process.exit(1)),
    })
    ended.serve(await Promise.race([dns, ended.early]))
    return await ended.code
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
    return 1
  } finally {
    // Lines that wait for the end of the turn.
    await new Promise((resolve) => setImmediate(resolve))
  }
}

function corefileOf({ conf }: DnsFlags): DnsConfig['corefile'] {
  if (conf === 'stdin') return { text: readFileSync(0, 'utf8') }
  if (conf !== undefined) return { file: conf }
  return existsSync('Corefile') ? { file: 'Corefile' } : { text: emptyCorefile }
}

/**
 * SIGTERM and SIGINT end it in good order, SIGQUIT at once, SIGUSR1 reloads (dns.md 3.3). Listened to
 * before the start too: process 1 of a Pod ignores a signal that nobody listens to.
 */
function untilSignal() {
  let dns: Dns | undefined
  let ending = false
  let finish: (code: number) => void = () => {}
  let giveUp: () => void = () => {}
  const code = new Promise<number>((resolve) => {
    finish = resolve
  })
  const early = new Promise<undefined>((resolve) => {
    giveUp = () => resolve(undefined)
  })
  const end = (signal: string) => {
    if (ending) {
      if (signal === 'SIGINT') finish(2)
      return
    }
    ending = true
    process.stdout.write(`[INFO] ${signal}: Shutting down servers then terminating\n`)
    if (dns)
      dns.stop().then(
        () => finish(0),
        () => finish(1),
      )
    else finish(0)
    giveUp()
  }
  process.on('SIGTERM', () => end('SIGTERM'))
  process.on('SIGINT', () => end('SIGINT'))
  process.on('SIGQUIT', () => {
    finish(0)
    giveUp()
  })
  process.on('SIGHUP', () => {})
  process.on('SIGUSR1', () => {
    process.stdout.write('[INFO] SIGUSR1: Reloading\n')
    void dns?.reload()
  })
  const serve = (started: Dns | undefined) => {
    dns = started
  }
  return { code, early, serve }
}
