// What a check is: a record of data (which also makes its page in the documentation) and a pure
// function from what was seen to findings.
import type { Fact } from './snapshot.ts'
import type { View } from './view.ts'

export type Severity = 'error' | 'warn' | 'info'
/** "proof": what was seen alone decides. "likely": a probe that could not be made would decide. */
export type Confidence = 'proof' | 'likely' | 'hint'

/** The chain that a connection by name hangs on, in causal order. The first broken link is the cause. */
export const links = [
  'registration',
  'backends',
  'endpoints',
  'name',
  'dns',
  'policy',
  'proxy',
  'traffic',
] as const
export type Link = (typeof links)[number]

export interface Subject {
  readonly kind:
    | 'Service'
    | 'Pod'
    | 'Name'
    | 'NetworkPolicy'
    | 'Deployment'
    | 'EndpointSlice'
    | 'Node'
    | 'ServiceAccount'
  readonly namespace?: string | undefined
  readonly name: string
}

/** A command the reader can repeat, and what it showed here. */
export interface Evidence {
  readonly command: string
  readonly shows: string
}

export interface Fix {
  readonly commands: readonly string[]
  /** What the commands change beyond the fault. */
  readonly risk: string
}

export interface Finding {
  readonly subject: Subject
  readonly message: string
  readonly observed: string
  readonly expected: string
  readonly evidence: readonly Evidence[]
  readonly fix: Fix
  /** What suffers from it: "service/shop/web", "pod/shop/a", "dns". A cause and its consequences share one. */
  readonly affects: readonly string[]
  /** Where they differ from the check's own. */
  readonly severity?: Severity
  readonly confidence?: Confidence
  /** Why this may pass by itself in a moment; then it is no problem yet. */
  readonly settling?: string | undefined
}

export interface Check {
  readonly id: string
  readonly link: Link
  readonly title: string
  readonly severity: Severity
  readonly confidence: Confidence
  readonly needs: readonly Fact[]
  /** Checks whose findings about the same thing are consequences of this one's. */
  readonly explains: readonly string[]
  /** For the documentation: what one sees, how it is decided, what mends it. */
  readonly page: {
    readonly symptom: string
    readonly decides: string
    readonly remedy: string
    readonly sources: readonly string[]
  }
  run(view: View): readonly Finding[]
}

export const keyOfService = (service: {
  readonly metadata: { readonly namespace?: string | undefined; readonly name: string }
}): string => `service/${service.metadata.namespace}/${service.metadata.name}`

export const keyOfPod = (pod: {
  readonly metadata: { readonly namespace?: string | undefined; readonly name: string }
}): string => `pod/${pod.metadata.namespace}/${pod.metadata.name}`
