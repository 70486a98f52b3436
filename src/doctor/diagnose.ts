// From a snapshot to a report: runs the checks, folds consequences under their causes, and says of
// each link of the chain whether it is proven, broken or unknown. Pure.
import type { Check, Finding, Link, Severity } from './check.ts'
import { links } from './check.ts'
import { checks } from './checks.ts'
import { proofOf } from './proofs.ts'
import type { Diagnosis, LinkState, Report, Skipped } from './report.ts'
import type { Fact, Snapshot } from './snapshot.ts'
import { createView, type View } from './view.ts'

export function diagnose(snapshot: Snapshot, all: readonly Check[] = checks): Report {
  const view = createView(snapshot)
  const skipped: Skipped[] = []
  const found: Diagnosis[] = []
  for (const check of all) {
    const unseen = snapshot.unseen.filter(({ fact }) => check.needs.includes(fact))
    const missing = unseen.find(({ fact }) => lists.has(fact)) ?? unseen[0]
    if (missing) skipped.push({ id: check.id, reason: missing.reason, detail: missing.detail })
    // A probe that failed leaves what others met; a list that is forbidden looks like an empty one.
    if (missing && lists.has(missing.fact)) continue
    for (const finding of check.run(view)) found.push(diagnosisOf(check, finding))
  }
  const settled = found.filter(({ settling }) => settling === undefined)
  return {
    apiVersion: 'signpost.dev/v1alpha1',
    kind: 'DoctorReport',
    asked: snapshot.asked,
    links: links.map((link) => linkState(link, { view, found: settled, skipped, all })),
    findings: fold(settled, all),
    settling: fold(
      found.filter(({ settling }) => settling !== undefined),
      all,
    ),
    skipped,
    unseen: snapshot.unseen,
    services: snapshot.services.length,
    checks: all.length,
  }
}

/** Facts of which an absence says something. */
const lists: ReadonlySet<Fact> = new Set<Fact>([
  'services',
  'pods',
  'endpointslices',
  'networkpolicies',
  'nodes',
  'dns-pods',
])

function diagnosisOf(check: Check, finding: Finding): Diagnosis {
  const { settling, severity, confidence, ...rest } = finding
  return {
    id: check.id,
    title: check.title,
    link: check.link,
    severity: severity ?? check.severity,
    confidence: confidence ?? check.confidence,
    ...rest,
    ...(settling === undefined ? {} : { settling }),
    explains: [],
  }
}

/** Each consequence goes under the first cause that explains it and shares what it is about. */
function fold(found: readonly Diagnosis[], all: readonly Check[]): Diagnosis[] {
  const explains = new Map(all.map((check) => [check.id, check.explains]))
  const causes = found.map((one) =>
    found.find(
      (other) =>
        other !== one &&
        (explains.get(other.id) ?? []).includes(one.id) &&
        other.affects.some((what) => one.affects.includes(what)),
    ),
  )
  const rootOf = (index: number): Diagnosis => {
    const seen = new Set<number>()
    let at = index
    for (;;) {
      const cause = causes[at]
      if (!cause || seen.has(at)) return found[at]!
      seen.add(at)
      at = found.indexOf(cause)
    }
  }
  const roots = found.map((_, index) => rootOf(index))
  return found
    .filter((one, index) => roots[index] === one)
    .map((one) => ({
      ...one,
      explains: found.filter((other, index) => other !== one && roots[index] === one),
    }))
    .sort(byWeight)
}

const severityRank: Readonly<Record<Severity, number>> = { error: 0, warn: 1, info: 2 }

function byWeight(one: Diagnosis, other: Diagnosis): number {
  return (
    severityRank[one.severity] - severityRank[other.severity] ||
    links.indexOf(one.link) - links.indexOf(other.link) ||
    weight(other) - weight(one)
  )
}

const weight = (one: Diagnosis): number => one.affects.length + one.explains.length

interface LinkFacts {
  readonly view: View
  readonly found: readonly Diagnosis[]
  readonly skipped: readonly Skipped[]
  readonly all: readonly Check[]
}

function linkState(link: Link, { view, found, skipped, all }: LinkFacts): LinkState {
  const broken = found.filter((one) => one.link === link && one.severity !== 'info')
  if (broken.length > 0)
    return { link, state: 'broken', text: broken.map(({ id, title }) => `${id} ${title}`)[0]! }
  const ids = new Set(all.filter((check) => check.link === link).map(({ id }) => id))
  const missing = skipped.find(({ id }) => ids.has(id))
  if (missing) return { link, state: 'unknown', text: missing.detail }
  const proof = proofOf(link, view)
  return proof === undefined
    ? { link, state: 'not-asked', text: notAsked[link] }
    : { link, state: 'proven', text: proof }
}

const notAsked: Readonly<Record<Link, string>> = {
  registration: 'no Service was asked for',
  backends: 'no port of a Pod was dialled',
  endpoints: 'no Service with endpoints',
  name: 'no name was asked',
  dns: 'no DNS server found',
  policy: 'no client Pod was named',
  proxy: 'no ClusterIP to look for',
  traffic: 'no Service keeps traffic local',
}
