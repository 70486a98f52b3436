// All checks, in causal order: the first that finds something names the cause.
import type { Check } from './check.ts'
import {
  nobodyBehind,
  noReadyEndpoint,
  portNameMismatch,
  selectorMatchesNothing,
  targetPortMissing,
} from './checks/endpoints.ts'
import { noSuchService, otherNamespace, wrongPort } from './checks/registration.ts'

export const checks: readonly Check[] = [
  otherNamespace,
  noSuchService,
  wrongPort,
  selectorMatchesNothing,
  noReadyEndpoint,
  targetPortMissing,
  portNameMismatch,
  nobodyBehind,
]
