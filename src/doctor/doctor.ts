// Why does a name not answer? Looks at a cluster with the rights one has, runs the checks, and looks
// a second time before it says that something is wrong: what moves is not broken.
import type { Client } from '../client/client.ts'
import type { Clock } from '../lib/clock.ts'
import { diagnose } from './diagnose.ts'
import { gather } from './gather.ts'
import type { Probes } from './probe.ts'
import type { Question } from './question.ts'
import type { Diagnosis, Report } from './report.ts'
import { Sight } from './sight.ts'

export interface DoctorDeps {
  readonly client: Client
  readonly clock: Clock
  /** Absent: only the API is read. */
  readonly probes?: Probes | undefined
}

export interface DoctorOptions {
  readonly clusterDomain?: string
}

/** Long enough for a change on its way to reach slices, rules and DNS. */
const secondLookMs = 300

/** Rejects with what the client rejects with when the API cannot be reached. */
export async function examine(
  question: Question,
  deps: DoctorDeps,
  options: DoctorOptions = {},
): Promise<Report> {
  const first = await look(question, deps, options)
  if (first.findings.length === 0) return first
  await deps.clock.sleep(secondLookMs)
  return confirmed(first, await look(question, deps, options))
}

async function look(
  question: Question,
  { client, clock, probes }: DoctorDeps,
  { clusterDomain = 'cluster.local' }: DoctorOptions,
): Promise<Report> {
  return diagnose(await gather(question, new Sight(client, clock), { clusterDomain, probes }))
}

/** The second report, without what the first did not find too. */
export function confirmed(first: Report, second: Report): Report {
  const seen = new Set(flatten(first.findings).map(identity))
  const findings = second.findings.filter((one) =>
    flatten([one]).some((each) => seen.has(identity(each))),
  )
  const fresh = second.findings.filter((one) => !findings.includes(one))
  return { ...second, findings, settling: [...second.settling, ...fresh] }
}

const flatten = (all: readonly Diagnosis[]): Diagnosis[] =>
  all.flatMap((one) => [one, ...flatten(one.explains)])

const identity = ({ id, subject }: Diagnosis): string =>
  `${id} ${subject.kind}/${subject.namespace}/${subject.name}`
