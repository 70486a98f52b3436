// Names that probes ask: what a Pod's search list adds, and one that only a wildcard answers.
import type { Pod } from '../api/types/core.gen.ts'
import { predictResolver } from './resolver.ts'

/** Search suffixes of the Pods that are not the cluster's own. */
export function foreignSearches(clients: readonly Pod[], clusterDomain: string): string[] {
  const suffixes = clients.flatMap(
    (pod) => predictResolver(pod, { clusterDNS: [], clusterDomain }).searches,
  )
  return [...new Set(suffixes)]
    .map((suffix) => suffix.replace(/\.$/, ''))
    .filter((suffix) => suffix !== clusterDomain && !suffix.endsWith(`.${clusterDomain}`))
}

/** A name that nobody has: only a wildcard answers it. */
export const wildcardProbe = (suffix: string): string =>
  `signpost-no-such-name.${suffix.replace(/\.$/, '')}.`
