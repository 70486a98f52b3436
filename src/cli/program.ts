// The command line: its verbs and their options. Each verb is a file of its own, loaded when used.
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander'
import { printError } from './output.ts'
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
  .addOption(new Option('-o, --output <format>', 'for programs').choices(['json']))
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

const api = (command: Command) =>
  command
    .option('-n, --namespace <namespace>', "namespace (default: the context's)")
    .option('--kubeconfig <file>', 'kubeconfig (default: $KUBECONFIG or ~/.kube/config)')
    .option('--context <context>', 'context of the kubeconfig (default: the current one)')
    .option('--cluster-domain <domain>', 'domain of the cluster (default: cluster.local)')
    .option('--no-probe', 'dial nothing: only read the API')
    .addOption(new Option('-o, --output <format>', 'instead of text').choices(['json', 'yaml']))

api(program.command('doctor'))
  .description('say why a name does not answer; exit code 0 healthy, 1 problems, 2 could not look')
  .argument('[target]', 'SERVICE, POD or NAME, with :PORT where one is dialled; none: all Services')
  .option('-A, --all-namespaces', 'look at all namespaces')
  .option('--from <pod>', 'as this Pod would ask and connect')
  .option('--all', 'show all causes, not the first three')
  .option('--explain <check>', 'print the page of a check')
  .action(async (target, options) => (await import('./doctor.ts')).doctor(target, options))

const explain = program
  .command('explain')
  .description('show how names and connections come about, step by step, from live evidence')

api(explain.command('register'))
  .description('the six steps from POST to an answer, for a Service')
  .argument('<service>')
  .option('--follow', 'stay, and show what changes as it happens', false)
  .action(async (name, options) => (await import('./explain.ts')).register(name, options))

api(explain.command('resolve'))
  .description("the queries a Pod's resolver sends for a name, and their answers")
  .argument('<pod>')
  .argument('<name>')
  .addOption(
    new Option('--libc <libc>', 'default: guessed by the image').choices(['glibc', 'musl']),
  )
  .action(async (pod, name, options) => (await import('./explain.ts')).resolve(pod, name, options))

api(explain.command('connect'))
  .description("a packet's way from a Pod to SERVICE:PORT through the live rules")
  .argument('<pod>')
  .argument('<service>', 'SERVICE[.NAMESPACE]:PORT')
  .action(async (pod, to, options) => (await import('./explain.ts')).connect(pod, to, options))

// Components keep their upstream's flags and parse them themselves (main.ts); these lines are for --help.
program
  .command('apiserver')
  .description("the API server alone, with Kubernetes' flags")
  .helpOption(false)
program
  .command('dns')
  .description("the DNS server alone, with CoreDNS's flags: signpost dns -conf Corefile")
  .helpOption(false)

/** Parses and runs; resolves with the exit code where it is wrong usage, throws what the verb throws. */
export async function runProgram(argv: readonly string[]): Promise<void> {
  try {
    await program.parseAsync([...argv])
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    process.exitCode = error.exitCode === 0 ? 0 : wrongUsageCode
  }
}

const wrongUsageCode = 2
