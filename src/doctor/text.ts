// A report as text for a terminal: the chain link by link, causes with their consequences folded
// under them, evidence and fix as commands. Colour is handed in; here it is only words.

import { printable } from './printable.ts'
import { type Diagnosis, essentialUnseen, type LinkState, type Report } from './report.ts'
import type { Asked } from './snapshot.ts'
import { keyText } from './words.ts'

/** How parts are marked; the identity for plain text. */
export interface Style {
  good(text: string): string
  bad(text: string): string
  warn(text: string): string
  dim(text: string): string
  bold(text: string): string
}

export const plain: Style = {
  good: (text) => text,
  bad: (text) => text,
  warn: (text) => text,
  dim: (text) => text,
  bold: (text) => text,
}

export interface TextOptions {
  readonly style: Style
  /** All causes; otherwise the first three. */
  readonly all: boolean
}

const shownCauses = 3

export function formatReport(raw: Report, { style, all }: TextOptions): string[] {
  const report = printable(raw)
  const causes = all ? report.findings : report.findings.slice(0, shownCauses)
  const hidden = report.findings.length - causes.length
  return [
    style.bold(askedText(report.asked, report.services)),
    ...report.links.filter(({ state }) => state !== 'not-asked').map((one) => linkLine(one, style)),
    ...causes.flatMap((one) => ['', ...causeLines(one, style)]),
    ...(hidden > 0 ? ['', `and ${hidden} more; --all shows them`] : []),
    ...settlingLines(report, style),
    ...unseenLines(report, style),
    '',
    verdict(report, style),
  ]
}

function askedText(asked: Asked, services: number): string {
  const port = asked.port === undefined ? '' : `:${asked.port}`
  const from = asked.client ? ` from Pod ${keyText(asked.client)}` : ''
  if (asked.external) return `name ${asked.name}${port}${from}`
  if (asked.service) return `Service ${keyText(asked.service)}${port}${from}`
  if (asked.pod) return `Pod ${keyText(asked.pod)}${from}`
  return `${services} Services${from}`
}

function linkLine({ link, state, text }: LinkState, style: Style): string {
  const mark = { proven: style.good('✓'), broken: style.bad('✗'), unknown: style.warn('?') }
  return ` ${mark[state as keyof typeof mark]} ${link.padEnd(13)} ${state === 'proven' ? text : style.dim(text)}`
}

function causeLines(one: Diagnosis, style: Style): string[] {
  const color =
    one.severity === 'error' ? style.bad : one.severity === 'warn' ? style.warn : style.dim
  const { subject } = one
  const name = subject.namespace ? `${subject.namespace}/${subject.name}` : subject.name
  return [
    `${color(`${one.severity} ${one.id}`)} ${subject.kind} ${style.bold(name)}: ${one.message}`,
    `  observed   ${one.observed}`,
    `  expected   ${one.expected}`,
    ...one.evidence.flatMap(({ command, shows }, index) => [
      `  ${index === 0 ? 'evidence' : '        '}   $ ${command}`,
      `               ${style.dim(shows)}`,
    ]),
    ...one.fix.commands.map(
      (command, index) => `  ${index === 0 ? 'fix' : '   '}        $ ${command}`,
    ),
    ...(one.fix.commands.length > 0 ? [`               ${style.dim(one.fix.risk)}`] : []),
    ...(one.confidence === 'proof' ? [] : [`  this is ${one.confidence}, not proven`]),
    ...one.explains.map(
      (each) =>
        `  explains   ${each.id} ${each.subject.kind} ${each.subject.name}: ${each.message}`,
    ),
  ]
}

function settlingLines({ settling }: Report, style: Style): string[] {
  if (settling.length === 0) return []
  return [
    '',
    'settling, look again in a moment:',
    ...settling.map(
      (one) =>
        ` ${style.warn('~')} ${one.id} ${one.subject.kind} ${one.subject.name}: ${one.message}${one.settling ? ` (${one.settling})` : ''}`,
    ),
  ]
}

function unseenLines({ unseen }: Report, style: Style): string[] {
  if (unseen.length === 0) return []
  return [
    '',
    'not seen:',
    ...unseen.map(({ reason, detail }) => ` ${style.warn('?')} ${reason}: ${detail}`),
  ]
}

function verdict(report: Report, style: Style): string {
  const problems = report.findings.filter(({ severity }) => severity !== 'info')
  if (problems.length > 0) {
    const first = problems[0]!
    return `${first.severity === 'error' ? style.bad('broken') : style.warn('impaired')}: ${problems.length} ${problems.length === 1 ? 'cause' : 'causes'}, first ${first.id}; signpost doctor --explain ${first.id} tells more`
  }
  const skipped = new Set(report.skipped.map(({ id }) => id)).size
  const rest = skipped > 0 ? `, ${skipped} could not be decided` : ''
  const unseen = essentialUnseen(report)
  if (unseen.length > 0)
    return `${style.warn('could not look')}: ${unseen.join(', ')} not seen; ${skipped} of ${report.checks} checks not decided`
  return `${style.good('healthy')}: ${report.checks} checks, no problem found${rest}`
}
