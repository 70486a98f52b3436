// `signpost doctor [SERVICE|POD|NAME]`: why does this name not answer? Read-only, by kubeconfig.
import colors from 'picocolors'
import { StatusError } from '../api/machinery/status.ts'
import { kubeconfig } from '../client/config.ts'
import { ClientConfigError } from '../client/in-cluster.ts'
import { createClient } from '../client/resource-client.ts'
import { createTransport } from '../client/transport.ts'
import { checks } from '../doctor/checks.ts'
import { type DoctorDeps, examine } from '../doctor/doctor.ts'
import { pageOf } from '../doctor/page.ts'
import { printableText } from '../doctor/printable.ts'
import { createProbes } from '../doctor/probe.ts'
import { parseTarget, QuestionError } from '../doctor/question.ts'
import { exitCodeOf } from '../doctor/report.ts'
import { formatReport, type Style } from '../doctor/text.ts'
import { systemClock } from '../lib/clock.ts'
import { CliError, print } from './output.ts'
import { version } from './version.ts'

export interface ApiOptions {
  readonly namespace?: string
  readonly kubeconfig?: string
  readonly context?: string
  readonly output?: string
  readonly clusterDomain?: string
  /** False: nothing is dialled, only the API is read. */
  readonly probe?: boolean
}

export interface DoctorOptions extends ApiOptions {
  readonly allNamespaces?: boolean
  readonly from?: string
  readonly all?: boolean
  readonly explain?: string
}

const couldNotLookCode = 2

/** One line that steers no terminal, and the exit code of "could not look". */
export const failure = (message: string): CliError =>
  new CliError(printableText(message), couldNotLookCode)

export async function doctor(target: string | undefined, options: DoctorOptions): Promise<void> {
  if (options.explain !== undefined) return explainCheck(options.explain)
  await withApi(options, async (deps, namespace) => {
    const question = {
      namespace,
      all: options.allNamespaces ?? false,
      target: target === undefined ? undefined : parseTarget(target),
      from: options.from,
    }
    const report = await examine(question, deps, domainOf(options))
    if (options.output) await printData(report, options.output)
    else print(formatReport(report, { style: terminalStyle, all: options.all ?? false }).join('\n'))
    process.exitCode = exitCodeOf(report)
  })
}

export const domainOf = ({ clusterDomain }: ApiOptions): { clusterDomain?: string } =>
  clusterDomain === undefined ? {} : { clusterDomain }

/** Runs with a client of the chosen context; an API that cannot be asked ends with exit code 2. */
export async function withApi(
  options: ApiOptions,
  run: (deps: DoctorDeps, namespace: string) => Promise<void>,
): Promise<void> {
  const { transport: config, namespace } = contextOf(options)
  const transport = createTransport(config)
  const probes = options.probe === false ? undefined : createProbes(config, systemClock)
  // The clock's own timers do not keep the process alive.
  const alive = setInterval(() => {}, 60_000)
  try {
    await run(
      { client: createClient(transport), clock: systemClock, probes },
      options.namespace ?? namespace,
    )
  } catch (error) {
    throw couldNotLook(error, config.server)
  } finally {
    clearInterval(alive)
    transport.close()
  }
}

function contextOf(options: ApiOptions): ReturnType<typeof kubeconfig> {
  try {
    return kubeconfig({
      userAgent: `signpost-doctor/${version}`,
      ...(options.kubeconfig === undefined ? {} : { file: options.kubeconfig }),
      ...(options.context === undefined ? {} : { context: options.context }),
    })
  } catch (error) {
    if (error instanceof ClientConfigError) throw failure(error.message)
    throw error
  }
}

function couldNotLook(error: unknown, server: string): unknown {
  if (error instanceof StatusError)
    return failure(`cannot look: ${server} answered: ${error.message}`)
  if (error instanceof QuestionError) return failure(error.message)
  const code = (error as NodeJS.ErrnoException).code
  const isNetwork = typeof code === 'string' && /^(E[A-Z_]+|CERT|DEPTH|UNABLE|SELF)/.test(code)
  if (!isNetwork) return error
  return failure(
    `cannot look: the API at ${server} does not answer (${(error as Error).message || code}); check it with: kubectl get --raw /readyz`,
  )
}

export async function printData(value: unknown, format: string): Promise<void> {
  if (format === 'json') print(JSON.stringify(value, undefined, 2))
  else if (format === 'yaml') print((await import('yaml')).stringify(value).trimEnd())
  else throw failure(`unknown output format "${format}"; it is json or yaml`)
}

/** picocolors answers to NO_COLOR, FORCE_COLOR and terminals. */
export const terminalStyle: Style = {
  good: colors.green,
  bad: colors.red,
  warn: colors.yellow,
  dim: colors.dim,
  bold: colors.bold,
}

function explainCheck(id: string): void {
  const check = checks.find((one) => one.id === id.toUpperCase())
  if (!check) {
    const known = checks.map((one) => one.id).join(', ')
    throw failure(`there is no check "${id}"; there are ${known}`)
  }
  print(pageOf(check).join('\n'))
}
