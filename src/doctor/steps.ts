// What `explain` prints: numbered steps, each with its state, its time and its evidence. The same
// for a Service's registration, a lookup and a connection.
import { printable, printableText } from './printable.ts'
import type { Style } from './text.ts'

export interface Step {
  readonly title: string
  readonly state: 'done' | 'waiting' | 'failed' | 'unknown'
  /** When it happened, or how long it took. */
  readonly time?: string | undefined
  readonly lines: readonly string[]
  /** A command that shows the same. */
  readonly command?: string | undefined
}

export interface Explanation {
  readonly apiVersion: 'signpost.dev/v1alpha1'
  readonly kind: 'RegistrationReport' | 'LookupReport' | 'ConnectionReport'
  readonly subject: string
  readonly steps: readonly Step[]
}

export function formatExplanation({ subject, steps }: Explanation, style: Style): string[] {
  return [
    style.bold(printableText(subject)),
    ...steps.flatMap((step, index) => formatStep(step, index, style)),
  ]
}

export function formatStep(raw: Step, index: number, style: Style): string[] {
  const step = printable(raw)
  const mark = {
    done: style.good('✓'),
    waiting: style.dim('…'),
    failed: style.bad('✗'),
    unknown: style.warn('?'),
  }[step.state]
  const time = step.time === undefined ? '' : style.dim(`  ${step.time}`)
  return [
    `${mark} ${index + 1} ${style.bold(step.title)}${time}`,
    ...step.lines.map((line) => `     ${line}`),
    ...(step.command === undefined ? [] : [style.dim(`     $ ${step.command}`)]),
  ]
}

/** The steps that say something else than before, by their place. */
export function changedSteps(before: readonly Step[], after: readonly Step[]): number[] {
  return after.flatMap((step, index) => (sameStep(before[index], step) ? [] : [index]))
}

/** Without times: an answer that took another millisecond is no change. */
function sameStep(one: Step | undefined, other: Step): boolean {
  return (
    one !== undefined &&
    one.state === other.state &&
    one.lines.join('\n') === other.lines.join('\n')
  )
}
