// `signpost apiserver` as a process of its own, and the tools that are run against it.
import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import * as fs from 'node:fs'
import * as path from 'node:path'
import type { Finished } from '../support/cluster.ts'
import { run } from '../support/cluster.ts'
import { scratchDir, tools } from '../support/tools.ts'

const root = path.resolve(import.meta.dirname, '../..')
const startMs = 20_000

export interface Server {
  readonly directory: string
  readonly kubeconfig: string
  kubectl(...args: string[]): Promise<Finished>
  /** With a text on its standard input, as `kubectl apply -f -` wants it. */
  pipe(input: string, ...args: string[]): Promise<Finished>
  helm(...args: string[]): Promise<Finished>
  run(command: string, ...args: string[]): Promise<Finished>
  stop(): Promise<void>
}

export async function startServer(): Promise<Server> {
  const directory = scratchDir()
  const tokens = path.join(directory, 'tokens.csv')
  fs.writeFileSync(tokens, 'secret,admin,1,"system:masters"\nweak,bob,2,\n')
  const flags = [
    ...['--data-dir', path.join(directory, 'data'), '--durability', 'none'],
    ...['--bind-address', '127.0.0.1', '--secure-port', '0', '--token-auth-file', tokens],
  ]
  const entry = path.join(root, 'src/cli/main.ts')
  const child = spawn(process.execPath, ['--import', 'tsx', entry, 'apiserver', ...flags], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const url = await served(child)
  const kubeconfig = path.join(directory, 'kubeconfig')
  fs.writeFileSync(kubeconfig, kubeconfigFor(url, path.join(directory, 'data/pki/ca.crt')))
  const environment = {
    PATH: process.env['PATH'],
    HOME: directory,
    KUBECONFIG: kubeconfig,
    TMPDIR: directory,
  }
  const { kubectl, helm } = tools()
  return {
    directory,
    kubeconfig,
    kubectl: (...args) => run(kubectl, args, environment),
    pipe: (input, ...args) => {
      const file = path.join(directory, 'input')
      fs.writeFileSync(file, input)
      return run('/bin/sh', ['-c', '"$0" "$@" <"$INPUT"', kubectl, ...args], {
        ...environment,
        INPUT: file,
      })
    },
    helm: (...args) => run(helm, args, environment),
    run: (command, ...args) => run(command, args, environment),
    async stop() {
      if (child.exitCode === null) {
        const gone = new Promise((resolve) => child.once('exit', resolve))
        child.kill('SIGTERM')
        await gone
      }
      fs.rmSync(directory, { recursive: true, force: true })
    },
  }
}

function served(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let output = ''
    const timer = setTimeout(() => {
      child.kill('SIGTERM')
      reject(new Error(`signpost apiserver said nothing for ${startMs} ms:\n${output}`))
    }, startMs)
    const collect = (chunk: Buffer) => {
      output += chunk.toString()
      const url = /serving (https:\S+)/.exec(output)?.[1]
      if (!url) return
      clearTimeout(timer)
      resolve(url)
    }
    child.stdout?.on('data', collect)
    child.stderr?.on('data', collect)
    child.once('exit', (code) => {
      clearTimeout(timer)
      reject(new Error(`signpost apiserver ended with code ${code}:\n${output}`))
    })
  })
}

const kubeconfigFor = (server: string, ca: string): string =>
  JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'test',
    clusters: [{ name: 'test', cluster: { server, 'certificate-authority': ca } }],
    users: [
      { name: 'admin', user: { token: 'secret' } },
      { name: 'bob', user: { token: 'weak' } },
      { name: 'nobody', user: {} },
    ],
    contexts: [
      { name: 'test', context: { cluster: 'test', user: 'admin' } },
      { name: 'bob', context: { cluster: 'test', user: 'bob' } },
      { name: 'nobody', context: { cluster: 'test', user: 'nobody' } },
    ],
  })
