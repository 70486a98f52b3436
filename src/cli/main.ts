// The program: parses the command line and calls one verb, each in a file of its own that is
// loaded only when it is used.
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander'
import { ClusterError } from '../cluster/cluster-error.ts'
import { CliError, printError } from './output.ts'
import { kubernetesVersion, version } from './version.ts'

const program = new Command('signpost')
  .description('The half of Kubernetes that makes names work, on this machine, in about a second.')
  .version(`signpost ${version} (Kubernetes ${kubernetesVersion})`, '--version')
  .showSuggestionAfterError()
  .enablePositionalOptions()
  .exitOverride()
  .configureOutput({ outputError: (text) => printError(text.replace(/^error: /, '').trimEnd()) })

const place = (command: Command) =>
  command
    .option('--name <name>', 'name of the cluster; several run side by side', undefined)
    .option(
      '--data-dir <directory>',
      'where its state is kept (default: $XDG_DATA_HOME/signpost/NAME)',
    )

function port(text: string): number {
  const value = Number(text)
  if (!/^\d+$/.test(text) || value > 65535)
    throw new InvalidArgumentError('a port is a number from 0 to 65535.')
  return value
}

place(program.command('up'))
  .description('start a cluster and stay with it; Ctrl-C stops it and keeps its data')
  .option('--detach', 'return once cluster DNS answers', false)
  .option(
    '--port <port>',
    'port of the API on 127.0.0.1 (default: 6443, or the one used before)',
    port,
  )
  .addOption(
    new Option(
      '--durability <mode>',
      'fsync: acknowledged means on disk; none: faster, a power cut may lose the last seconds',
    )
      .choices(['fsync', 'none'])
      .default('fsync'),
  )
  .addOption(
    new Option(
      '--image-policy <policy>',
      'which substitutes may stand in for images: strict (none), builtin, host',
    )
      .choices(['strict', 'builtin', 'host'])
      .default('host'),
  )
  .option(
    '--resolv-conf <file>',
    "names the resolvers for names outside the cluster (default: the host's)",
  )
  .option(
    '--kubeconfig <file>',
    'kubeconfig to write the context into (default: $KUBECONFIG or ~/.kube/config)',
  )
  .option('-v, --verbose', 'log in detail', false)
  .action(async (options) => (await import('./up.ts')).up(options))

place(program.command('down'))
  .description('stop a cluster and keep its data')
  .action(async (options) => (await import('./down.ts')).down(options))

place(program.command('delete'))
  .description('stop a cluster and remove its data and its kubeconfig context')
  .option(
    '--kubeconfig <file>',
    'kubeconfig to take the context out of (default: $KUBECONFIG or ~/.kube/config)',
  )
  .action(async (options) => (await import('./delete.ts')).deleteCluster(options))

place(program.command('status'))
  .description('say what runs; exit code 0 when the cluster is up, 3 when it is not')
  .option('-o, --output <format>', 'json')
  .action(async (options) => (await import('./status.ts')).status(options))

place(program.command('kubeconfig'))
  .description('print the path of a kubeconfig for this cluster alone')
  .action(async (options) => (await import('./kubeconfig.ts')).kubeconfig(options))

place(program.command('kubectl'))
  .description('run kubectl against the cluster: signpost kubectl get pods')
  .argument('[arguments...]', "kubectl's own")
  .passThroughOptions()
  .allowUnknownOption()
  .action(async (args: string[], options) => (await import('./kubectl.ts')).kubectl(args, options))

program
  .command('apiserver')
  .description("the API server alone, with Kubernetes' flags")
  .allowUnknownOption()
  .allowExcessArguments()
  .helpOption(false)
  .action(async (_options, command: Command) =>
    (await import('./apiserver.ts')).apiserver(command.args),
  )

program
  .command('dns')
  .description("the DNS server alone: signpost dns -conf Corefile, with CoreDNS's flags")
  .allowUnknownOption()
  .allowExcessArguments()
  .helpOption(false)
  .action(async (_options, command: Command) => (await import('./dns.ts')).dns(command.args))

export async function main(argv: readonly string[]): Promise<void> {
  try {
    await program.parseAsync([...argv])
  } catch (error) {
    process.exitCode = exitCodeOf(error)
  }
}

function exitCodeOf(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
  if (error instanceof CliError || error instanceof ClusterError) {
    printError(error.message)
    return error instanceof CliError ? error.exitCode : 1
  }
  printError(error instanceof Error ? (error.stack ?? error.message) : String(error))
  return 1
}

await main(process.argv)
