// What doctor says, as data: the JSON that `-o json` prints and the text is made from.
import type { Check, Confidence, Evidence, Fix, Link, Severity, Subject } from './check.ts'
import type { Asked, Fact, SkipReason, Unseen } from './snapshot.ts'

export interface Diagnosis {
  readonly id: string
  readonly title: string
  readonly link: Link
  readonly severity: Severity
  readonly confidence: Confidence
  readonly subject: Subject
  readonly message: string
  readonly observed: string
  readonly expected: string
  readonly evidence: readonly Evidence[]
  readonly fix: Fix
  readonly affects: readonly string[]
  readonly settling?: string
  /** Findings that this one is the cause of. */
  readonly explains: readonly Diagnosis[]
}

export interface LinkState {
  readonly link: Link
  readonly state: 'proven' | 'broken' | 'unknown' | 'not-asked'
  readonly text: string
}

export interface Skipped {
  readonly id: string
  readonly reason: SkipReason
  readonly detail: string
}

export interface Report {
  readonly apiVersion: 'signpost.dev/v1alpha1'
  readonly kind: 'DoctorReport'
  readonly asked: Asked
  readonly links: readonly LinkState[]
  /** Causes only, the first one first. */
  readonly findings: readonly Diagnosis[]
  /** What may pass by itself in a moment. */
  readonly settling: readonly Diagnosis[]
  readonly skipped: readonly Skipped[]
  /** What could not be seen at all, and why. */
  readonly unseen: readonly Unseen[]
  readonly services: number
  readonly checks: number
}

export type CheckedLink = Pick<Check, 'id' | 'link'>

/** 0 healthy, 1 problems (info is none), 2 could not look. */
export function exitCodeOf(report: Report): 0 | 1 | 2 {
  if (report.findings.some(({ severity }) => severity !== 'info')) return 1
  return essentialUnseen(report).length > 0 ? 2 : 0
}

const essential: readonly Fact[] = ['services', 'endpointslices', 'pods']

/** What nobody can call a cluster healthy without, and was not seen. */
export function essentialUnseen({ unseen }: Report): readonly Fact[] {
  return essential.filter((one) => unseen.some(({ fact }) => fact === one))
}
