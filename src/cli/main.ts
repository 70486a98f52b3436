// The program's entry. The components that run in Pods skip the command line parser: their start
// is part of what a user waits for.
import { ClusterError } from '../cluster/cluster-error.ts'
import { CliError, printError } from './output.ts'

async function run(argv: readonly string[]): Promise<void> {
  const [verb, ...args] = argv.slice(2)
  if (verb === 'dns') await (await import('./dns.ts')).dns(args)
  else if (verb === 'apiserver') await (await import('./apiserver.ts')).apiserver(args)
  else await (await import('./program.ts')).runProgram(argv)
}

function exitCodeOf(error: unknown): number {
  if (error instanceof CliError || error instanceof ClusterError) {
    printError(error.message)
    return error instanceof CliError ? error.exitCode : 1
  }
  printError(error instanceof Error ? (error.stack ?? error.message) : String(error))
  return 1
}

await run(process.argv).catch((error: unknown) => {
  // At once: what could not be started must not be waited for.
  process.exit(exitCodeOf(error))
})
