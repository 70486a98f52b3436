// `signpost up`: starts a cluster and tells what came up; stays with it, or with --detach returns
// once cluster DNS answers.
import { spawn } from 'node:child_process'
import * as fs from 'node:fs'
import * as path from 'node:path'
import { fileURLToPath } from 'node:url'
import { kubeconfigPath } from '../cluster/access.ts'
import type { Cluster, ClusterStep } from '../cluster/cluster.ts'
import { startCluster } from '../cluster/cluster.ts'
import { ClusterError } from '../cluster/cluster-error.ts'
import type { ClusterConfig, ClusterOptions } from '../cluster/config.ts'
import { clusterConfig, prepareDirectories } from '../cluster/config.ts'
import { clearRunState, findRunState, writeRunState } from '../cluster/run-state.ts'
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
  refuseSecondStart(config)
  prepareDirectories(config)
  if (options.detach) await detach(config)
  else await stayWith(config, options)
}

function refuseSecondStart(config: ClusterConfig): void {
  const found = findRunState(config.dataDir)
  if (!found?.alive) return
  throw new CliError(
    `cluster "${config.contextName}" runs already (process ${found.state.pid}); stop it with: signpost down, or start another with --name`,
  )
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

/** In the foreground, or as the detached child. */
async function stayWith(config: ClusterConfig, options: UpOptions): Promise<void> {
  const report = reporter(config)
  const logFile = path.join(config.dataDir, 'signpost.log')
  const logFd = fs.openSync(logFile, 'a', 0o600)
  const log = createLogger({ level: options.verbose ? 'debug' : 'info', fd: logFd })
  const end = endings()
  report.begin()
  let cluster: Cluster | undefined
  try {
    cluster = await startCluster(config, {
      log,
      logFd,
      verbose: options.verbose,
      program: {
        execPath: process.execPath,
        entry: fileURLToPath(
          new URL(import.meta.url.endsWith('.ts') ? './main.ts' : './main.js', import.meta.url),
        ),
      },
      onStep: report.step,
      onFailure: (error) => end.fail(error),
    })
    const kubeconfig = options.kubeconfig ?? kubeconfigPath()
    const { mergeKubeconfig } = await import('../cluster/kubeconfig.ts')
    mergeKubeconfig(kubeconfig, cluster.access)
    writeRunState(config.dataDir, {
      pid: process.pid,
      port: cluster.port,
      version,
      startedAt: new Date().toISOString(),
      rootless: config.rootless,
      kubeconfig,
      ...(cluster.agentPid === undefined ? {} : { agentPid: cluster.agentPid }),
    })
    await Promise.race([cluster.ready(), end.ended])
    if (!end.asked) report.up(kubeconfig)
    await end.ended
  } catch (error) {
    const failure = withLog(error, logFile)
    report.failed(failure)
    throw failure
  } finally {
    await cluster?.stop()
    clearRunState(config.dataDir)
    fs.rmSync(config.runtimeDir, { recursive: true, force: true })
  }
  process.exit(0)
}

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

/** To the terminal, or to the process that waits for us. */
function reporter(config: ClusterConfig): Reporter {
  // Since the process began: loading the program is part of what a user waits for.
  const seconds = () => performance.now() / 1000
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
