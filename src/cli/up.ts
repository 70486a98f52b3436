// `signpost up`: starts a cluster and tells what came up; stays with it, or with --detach returns
// once cluster DNS answers.
import { spawn } from 'node:child_process'
import * as fs from 'node:fs'
import * as path from 'node:path'
import { fileURLToPath } from 'node:url'
import { kubeconfigPath } from '../cluster/access.ts'
import type { ClusterStep } from '../cluster/cluster.ts'
import { startCluster } from '../cluster/cluster.ts'
import { ClusterError } from '../cluster/cluster-error.ts'
import type { ClusterConfig, ClusterOptions } from '../cluster/config.ts'
import { clusterConfig, placeFlags, prepareDirectories, remember } from '../cluster/config.ts'
import { refuseTakenPort } from '../cluster/host.ts'
import type { Run } from '../cluster/run-state.ts'
import { claimRun, findRunState, runningAlready } from '../cluster/run-state.ts'
import { createLogger } from '../lib/log.ts'
import { bold, CliError, dim, print, printStep } from './output.ts'
import { kubernetesVersion, version } from './version.ts'

interface UpOptions extends ClusterOptions {
  readonly detach: boolean
  readonly verbose: boolean
  readonly kubeconfig?: string
}

/** From the detached process to the one that waits for it. */
type Progress =
  | {
      readonly type: 'step'
      readonly step: ClusterStep
      readonly detail: string
      readonly seconds: number
    }
  | { readonly type: 'up'; readonly kubeconfig: string }
  | { readonly type: 'failed'; readonly message: string }

const stepTitles: Readonly<Record<ClusterStep, string>> = {
  apiserver: 'API server',
  controllers: 'controllers',
  node: 'node',
  proxy: 'proxy',
  dns: 'cluster DNS',
}

/** The detached child is told so by this variable, and tells its progress over IPC. */
const detachedVariable = 'SIGNPOST_DETACHED'

export async function up(options: UpOptions): Promise<void> {
  const config = clusterConfig(options)
  const found = findRunState(config.dataDir)
  if (found?.alive) throw runningAlready(found.state)
  await refuseTakenPort(config.bindAddress, config.port)
  prepareDirectories(config)
  if (options.detach) await detach(config)
  else await stayWith(config, options)
}

function headline(config: ClusterConfig): void {
  print(
    `${bold(`signpost ${version}`)} cluster "${config.contextName}", Kubernetes ${kubernetesVersion}, data in ${config.dataDir}`,
  )
}

function farewell(config: ClusterConfig, kubeconfig: string): void {
  const here = config.contextName === 'signpost' ? '' : ` --context ${config.contextName}`
  print('')
  print(`kubeconfig   ${kubeconfig} (current context "${config.contextName}")`)
  print(`try          kubectl${here} apply -k examples/01-first-service`)
  print(`             kubectl${here} get services,endpointslices,pods -o wide`)
  print(`             kubectl${here} exec -it deploy/client -- curl http://echo`)
}

/** In the foreground, or as the detached child. Ends the process unless it throws. */
async function stayWith(config: ClusterConfig, options: UpOptions): Promise<void> {
  const report = reporter(config)
  const end = endings()
  const started = { version, startedAt: new Date().toISOString(), rootless: config.rootless }
  const run = claimRun(config.dataDir, { ...started, flags: placeFlags(options) })
  // From here on the directory is known to be a cluster's, however far it comes.
  remember(config.dataDir, { ...config.remembered, name: config.name, port: config.port })
  const logFile = path.join(config.dataDir, 'signpost.log')
  report.begin()
  try {
    await runCluster(config, options, { report, end, run, logFile })
  } catch (error) {
    const failure = withLog(error, logFile)
    report.failed(failure)
    throw failure
  } finally {
    fs.rmSync(config.runtimeDir, { recursive: true, force: true })
    run.release()
  }
  process.exit(0)
}

interface Session {
  readonly report: Reporter
  readonly end: Endings
  readonly run: Run
  readonly logFile: string
}

/** From the start of the cluster until nothing of it is left, asked for or not. */
async function runCluster(
  config: ClusterConfig,
  options: UpOptions,
  session: Session,
): Promise<void> {
  const { report, end, run } = session
  const logFd = fs.openSync(session.logFile, 'a', 0o600)
  const cluster = await startCluster(config, {
    log: createLogger({ level: options.verbose ? 'debug' : 'info', fd: logFd }),
    logFd,
    verbose: options.verbose,
    program: { execPath: process.execPath, entry: programEntry },
    onStep: report.step,
    onFailure: (error) => end.fail(error),
  })
  try {
    const kubeconfig = path.resolve(options.kubeconfig ?? kubeconfigPath())
    remember(config.dataDir, { name: config.name, port: cluster.port, kubeconfig })
    const { mergeKubeconfig } = await import('../cluster/kubeconfig.ts')
    mergeKubeconfig(kubeconfig, cluster.access)
    const { agentPid } = cluster
    run.update({ port: cluster.port, ...(agentPid === undefined ? {} : { agentPid }) })
    await Promise.race([cluster.ready(), end.ended])
    if (!end.asked) report.up(kubeconfig)
    await end.ended
  } finally {
    await cluster.stop()
  }
}

const programEntry = fileURLToPath(
  new URL(import.meta.url.endsWith('.ts') ? './main.ts' : './main.js', import.meta.url),
)

function withLog(error: unknown, logFile: string): Error {
  if (error instanceof ClusterError) return error
  const message = error instanceof Error ? error.message : String(error)
  return new CliError(`cannot start the cluster: ${message}; the log is ${logFile}`)
}

interface Endings {
  /** Resolves when the user asked to stop; rejects when the cluster cannot go on. */
  readonly ended: Promise<void>
  readonly asked: boolean
  fail(error: Error): void
}

function endings(): Endings {
  let asked = false
  let fail: (error: Error) => void = () => {}
  const ended = new Promise<void>((resolve, reject) => {
    fail = reject
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      process.on(signal, () => {
        // A second Ctrl-C must not leave a half-stopped cluster: stopping is bounded in time anyway.
        if (!asked && signal === 'SIGINT' && !process.env[detachedVariable])
          print(dim('\nstopping …'))
        asked = true
        resolve()
      })
    }
  })
  ended.catch(() => {})
  return {
    ended,
    get asked() {
      return asked
    },
    fail,
  }
}

interface Reporter {
  begin(): void
  step(step: ClusterStep, detail: string): void
  up(kubeconfig: string): void
  failed(error: Error): void
}

/** Installing packages and compiling, in a checkout, is no part of a cluster's start. */
const sourcesMadeMs = Number(process.env['SIGNPOST_ENSURED_MS'] ?? 0)

/** To the terminal, or to the process that waits for us. */
function reporter(config: ClusterConfig): Reporter {
  // Since the process began: loading the program is part of what a user waits for.
  const seconds = () => (performance.now() - sourcesMadeMs) / 1000
  if (process.env[detachedVariable]) {
    const tell = (progress: Progress) => process.connected && process.send?.(progress)
    return {
      begin: () => {},
      step: (step, detail) => tell({ type: 'step', step, detail, seconds: seconds() }),
      up: (kubeconfig) => tell({ type: 'up', kubeconfig }),
      failed: (error) => tell({ type: 'failed', message: error.message }),
    }
  }
  return {
    begin: () => headline(config),
    step: (step, detail) => printStep(stepTitles[step], detail, seconds()),
    up: (kubeconfig) => farewell(config, kubeconfig),
    failed: () => {},
  }
}

/** Starts the same command again in the background and passes on what it tells. */
async function detach(config: ClusterConfig): Promise<void> {
  headline(config)
  const logFd = fs.openSync(path.join(config.dataDir, 'signpost.log'), 'a', 0o600)
  const args = process.argv.slice(1).filter((argument) => argument !== '--detach')
  const child = spawn(process.execPath, [...process.execArgv, ...args], {
    detached: true,
    stdio: ['ignore', logFd, logFd, 'ipc'],
    env: { ...process.env, [detachedVariable]: '1' },
  })
  await new Promise<void>((resolve, reject) => {
    child.on('message', (progress: Progress) => {
      if (progress.type === 'step')
        printStep(stepTitles[progress.step], progress.detail, progress.seconds)
      if (progress.type === 'failed') reject(new CliError(progress.message))
      if (progress.type === 'up') {
        farewell(config, progress.kubeconfig)
        resolve()
      }
    })
    child.once('exit', () =>
      reject(
        new CliError(`the cluster ended while it started; see ${config.dataDir}/signpost.log`),
      ),
    )
  })
  child.disconnect()
  child.unref()
}
