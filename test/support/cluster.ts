// A real cluster for tests and benches: `signpost up` in a directory of its own, and kubectl on it.
import type { ChildProcess } from 'node:child_process'
import { execFile, spawn } from 'node:child_process'
import * as fs from 'node:fs'
import * as path from 'node:path'
import { fileURLToPath } from 'node:url'
import { scratchDir, tools } from './tools.ts'

const program = fileURLToPath(new URL('../../bin/signpost.mjs', import.meta.url))

export interface Finished {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

export interface TestCluster {
  readonly directory: string
  readonly dataDir: string
  readonly kubeconfig: string
  /** What `up` printed. */
  readonly output: string
  readonly process: ChildProcess
  readonly environment: NodeJS.ProcessEnv
  /** Seconds from the spawn until the line with this word was printed. */
  secondsTo(word: string): number
  signpost(...args: string[]): Promise<Finished>
  kubectl(...args: string[]): Promise<Finished>
  /** A line of shell with kubectl, helm and signpost in PATH. */
  shell(command: string): Promise<Finished>
  stop(): Promise<void>
}

export interface TestClusterOptions {
  /** Arguments of `up` beyond the data directory. */
  readonly args?: readonly string[]
  /** As another user: a command that runs the rest ("setpriv --reuid …"). */
  readonly runAs?: readonly string[]
  readonly directory?: string
  readonly name?: string
  readonly timeoutMs?: number
}

/** Resolves once cluster DNS answers; rejects with the program's output when it ends before. */
export async function startTestCluster(options: TestClusterOptions = {}): Promise<TestCluster> {
  const directory = options.directory ?? scratchDir()
  fs.mkdirSync(directory, { recursive: true })
  const dataDir = path.join(directory, options.name ?? 'data')
  const kubeconfig = path.join(directory, 'kubeconfig')
  const resolvConf = path.join(directory, 'resolv.conf')
  // Nothing outside this machine is asked: the cluster has no resolver for other names.
  fs.writeFileSync(resolvConf, '')
  const environment = testEnvironment(directory, kubeconfig)
  const place = ['--data-dir', dataDir, ...(options.name ? ['--name', options.name] : [])]
  const up = ['up', ...place, '--resolv-conf', resolvConf, ...(options.args ?? [])]
  const [command = '', ...args] = [...(options.runAs ?? []), process.execPath, program, ...up]
  const startedMs = performance.now()
  const child = spawn(command, args, { env: environment, stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  const lines: { text: string; seconds: number }[] = []
  const collect = (chunk: Buffer) => {
    output += chunk.toString()
    lines.push({ text: chunk.toString(), seconds: (performance.now() - startedMs) / 1000 })
  }
  child.stdout.on('data', collect)
  child.stderr.on('data', collect)
  await untilUp(child, () => output, options.timeoutMs ?? 30_000)
  const withTools = {
    ...environment,
    PATH: `${binDirectory(directory)}:${environment['PATH']}`,
    SIGNPOST_BUILT: '1',
  }
  return {
    directory,
    dataDir,
    kubeconfig,
    environment: withTools,
    process: child,
    get output() {
      return output
    },
    secondsTo: (word) => lines.find(({ text }) => text.includes(word))?.seconds ?? Number.NaN,
    signpost: (...rest) => {
      const [verb = '', ...others] = rest
      return run(process.execPath, [program, verb, ...place, ...others], withTools)
    },
    kubectl: (...rest) => run(tools().kubectl, rest, withTools),
    shell: (line) => run('/bin/bash', ['-c', line], withTools),
    async stop() {
      if (child.exitCode === null && child.signalCode === null) {
        const gone = new Promise((resolve) => child.once('exit', resolve))
        child.kill('SIGTERM')
        await gone
      }
      if (!options.directory) fs.rmSync(directory, { recursive: true, force: true })
    },
  }
}

function testEnvironment(directory: string, kubeconfig: string): NodeJS.ProcessEnv {
  return {
    PATH: process.env['PATH'],
    HOME: directory,
    KUBECONFIG: kubeconfig,
    XDG_RUNTIME_DIR: '',
    NO_COLOR: '1',
    SIGNPOST_BUILT: '1',
  }
}

/** A directory with kubectl and helm, for lines of shell. */
function binDirectory(directory: string): string {
  const bin = path.join(directory, 'bin')
  if (fs.existsSync(bin)) return bin
  fs.mkdirSync(bin)
  fs.symlinkSync(tools().kubectl, path.join(bin, 'kubectl'))
  fs.symlinkSync(tools().helm, path.join(bin, 'helm'))
  fs.symlinkSync(program, path.join(bin, 'signpost'))
  return bin
}

function untilUp(child: ChildProcess, output: () => string, timeoutMs: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (why: string) => {
      clearInterval(timer)
      reject(new Error(`signpost up ${why}:\n${output()}`))
    }
    const startedMs = performance.now()
    const timer = setInterval(() => {
      if (output().includes('kubeconfig   ')) {
        clearInterval(timer)
        resolve()
      } else if (performance.now() - startedMs > timeoutMs) {
        child.kill('SIGTERM')
        fail(`was not up after ${timeoutMs} ms`)
      }
    }, 10)
    child.once('exit', (code) => fail(`ended with code ${code}`))
  })
}

export function run(
  command: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  timeoutMs = 60_000,
): Promise<Finished> {
  return new Promise((resolve) => {
    execFile(
      command,
      [...args],
      { env, timeout: timeoutMs, maxBuffer: 64 << 20 },
      (error, stdout, stderr) => {
        const code = error ? (typeof error.code === 'number' ? error.code : 1) : 0
        resolve({ code, stdout, stderr })
      },
    )
  })
}

/** Asks again until the check holds; throws what it last said. */
export async function eventually<T>(
  check: () => Promise<T>,
  timeoutMs = 10_000,
  everyMs = 50,
): Promise<T> {
  const deadlineMs = performance.now() + timeoutMs
  for (;;) {
    try {
      return await check()
    } catch (error) {
      if (performance.now() > deadlineMs) throw error
      await new Promise((resolve) => setTimeout(resolve, everyMs))
    }
  }
}
