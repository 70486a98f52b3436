// All checks, in causal order: the first that finds something names the cause.
import type { Check } from './check.ts'
import { loopbackOnly, nobodyListens } from './checks/backends.ts'
import {
  dnsForbidden,
  dnsLoop,
  dnsPodsDown,
  dnsServiceMissing,
  dnsStale,
  dnsUnsynced,
} from './checks/dns.ts'
import {
  nobodyBehind,
  noReadyEndpoint,
  portNameMismatch,
  selectorMatchesNothing,
  targetPortMissing,
} from './checks/endpoints.ts'
import {
  notClusterFirst,
  otherNameserver,
  searchAmplification,
  shortName,
  wildcardCapture,
} from './checks/names.ts'
import { policyBlocksDns } from './checks/policy.ts'
import { proxyWithoutRules, rulesDrifted } from './checks/proxy.ts'
import { noSuchService, otherNamespace, wrongPort } from './checks/registration.ts'
import { externalLocal, internalLocal } from './checks/traffic.ts'

export const checks: readonly Check[] = [
  otherNamespace,
  noSuchService,
  wrongPort,
  loopbackOnly,
  nobodyListens,
  selectorMatchesNothing,
  noReadyEndpoint,
  targetPortMissing,
  portNameMismatch,
  nobodyBehind,
  shortName,
  searchAmplification,
  wildcardCapture,
  otherNameserver,
  notClusterFirst,
  dnsServiceMissing,
  dnsPodsDown,
  dnsLoop,
  dnsForbidden,
  dnsUnsynced,
  dnsStale,
  policyBlocksDns,
  proxyWithoutRules,
  rulesDrifted,
  externalLocal,
  internalLocal,
]
