// What one probe comes to, and what it is given.
import type { Clock } from '../lib/clock.ts'

export type ProbeOutcome =
  | { readonly result: 'success'; readonly text: string; readonly warning?: string }
  | { readonly result: 'failure'; readonly text: string }
  /** The probe itself could not be made: neither success nor failure. */
  | { readonly result: 'error'; readonly text: string }

export interface ProbeOptions {
  readonly timeoutMs: number
  readonly clock: Clock
  /** "kube-probe/1.36" */
  readonly userAgent: string
}
