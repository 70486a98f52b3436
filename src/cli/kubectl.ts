// `signpost kubectl …`: hands over to a real kubectl with the cluster's kubeconfig.
import { spawn } from 'node:child_process'
import * as fs from 'node:fs'
import * as path from 'node:path'
import type { ClusterOptions } from '../cluster/config.ts'
import { kubectlCache } from '../cluster/kubectl-cache.ts'
import { requireKubeconfig } from './kubeconfig.ts'
import { CliError } from './output.ts'

export async function kubectl(
  args: readonly string[],
  options: Pick<ClusterOptions, 'name' | 'dataDir'>,
): Promise<void> {
  const program = findKubectl()
  if (!program) {
    throw new CliError(
      'no kubectl found: install one into PATH, set SIGNPOST_KUBECTL to its path, or run "npm test" once in a checkout',
      127,
    )
  }
  const env = { ...process.env, KUBECONFIG: requireKubeconfig(options) }
  const child = spawn(program, [...args], { stdio: 'inherit', env })
  // The terminal sends Ctrl-C to both; kubectl decides what it means.
  const ignore = () => {}
  process.on('SIGINT', ignore)
  process.exitCode = await new Promise<number>((resolve, reject) => {
    child.once('error', (error) =>
      reject(new CliError(`cannot run "${program}": ${error.message}`, 126)),
    )
    child.once('exit', (code, signal) => resolve(code ?? (signal ? 128 + 15 : 1)))
  })
  process.off('SIGINT', ignore)
}

function findKubectl(): string | undefined {
  const named = process.env['SIGNPOST_KUBECTL']
  if (named) return named
  const inPath = (process.env['PATH'] ?? '')
    .split(path.delimiter)
    .map((directory) => path.join(directory, 'kubectl'))
    .find(isExecutable)
  return inPath ?? kubectlCache().find(isExecutable)
}

function isExecutable(file: string): boolean {
  try {
    fs.accessSync(file, fs.constants.X_OK)
    return fs.statSync(file).isFile()
  } catch {
    return false
  }
}
