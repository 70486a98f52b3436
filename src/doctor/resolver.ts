// What a Pod's resolver will do: the resolv.conf its kubelet writes, and the queries that glibc or
// musl sends for a name. Predicted from the objects; nothing is asked here.
import type { Pod } from '../api/types/core.gen.ts'
import type { KubeletConfiguration } from './snapshot.ts'

export interface ResolverConfig {
  readonly nameservers: readonly string[]
  readonly searches: readonly string[]
  readonly ndots: number
  readonly options: readonly string[]
  /** Where the name servers come from. "node": the node's own file, which the API does not show. */
  readonly source: 'cluster' | 'node' | 'pod'
}

const defaultNdots = 1
const maxNdots = 15

/** kubelet's rules (pkg/kubelet/network/dns), as far as the API shows what they work on. */
export function predictResolver(pod: Pod, kubelet: KubeletConfiguration): ResolverConfig {
  const policy = effectivePolicy(pod)
  const { dnsConfig } = pod.spec
  const own = (dnsConfig?.options ?? []).flatMap(({ name, value }) =>
    name ? [value ? `${name}:${value}` : name] : [],
  )
  const nodeSearches = kubelet.searches ?? []
  const base =
    policy === 'ClusterFirst'
      ? {
          nameservers: kubelet.clusterDNS,
          searches: [...clusterSearches(pod, kubelet.clusterDomain), ...nodeSearches],
          options: ['ndots:5'],
        }
      : { nameservers: [], searches: policy === 'Default' ? nodeSearches : [], options: [] }
  const options = mergeOptions(base.options, own)
  return {
    nameservers: [...new Set([...base.nameservers, ...(dnsConfig?.nameservers ?? [])])].slice(0, 3),
    searches: [...new Set([...base.searches, ...(dnsConfig?.searches ?? [])])],
    options,
    ndots: ndotsOf(options),
    source: policy === 'ClusterFirst' ? 'cluster' : policy === 'Default' ? 'node' : 'pod',
  }
}

/** A Pod in the node's network that says ClusterFirst gets the node's servers all the same. */
export function effectivePolicy(pod: Pod): 'ClusterFirst' | 'Default' | 'None' {
  const policy = pod.spec.dnsPolicy ?? 'ClusterFirst'
  if (policy === 'None' || policy === 'Default') return policy
  if (policy === 'ClusterFirst' && pod.spec.hostNetwork) return 'Default'
  return 'ClusterFirst'
}

function clusterSearches(pod: Pod, domain: string): string[] {
  return [`${pod.metadata.namespace}.svc.${domain}`, `svc.${domain}`, domain]
}

function mergeOptions(base: readonly string[], own: readonly string[]): string[] {
  const merged = new Map<string, string>()
  for (const option of [...base, ...own]) merged.set(option.split(':')[0]!, option)
  return [...merged.values()]
}

function ndotsOf(options: readonly string[]): number {
  const text = options.find((option) => option.startsWith('ndots:'))?.slice('ndots:'.length)
  const value = Number(text ?? defaultNdots)
  return Number.isInteger(value) && value >= 0 ? Math.min(value, maxNdots) : defaultNdots
}

export type Libc = 'glibc' | 'musl'

/**
 * The names a lookup tries, in order, each absolute. glibc: as it stands first when it has enough
 * dots, then the search list. musl: with enough dots never the search list. A trailing dot ends it all.
 */
export function candidateNames(name: string, resolver: ResolverConfig, libc: Libc): string[] {
  if (name.endsWith('.')) return [name]
  const absolute = `${name}.`
  const searched = resolver.searches.map((suffix) => `${name}.${suffix.replace(/\.$/, '')}.`)
  const dots = name.split('.').length - 1
  if (dots >= resolver.ndots) return libc === 'musl' ? [absolute] : [absolute, ...searched]
  return [...searched, absolute]
}

export interface Lookup {
  readonly name: string
  readonly rcode: string
  readonly addresses: readonly string[]
}

/** How far a libc goes through the candidates, given what each is answered. */
export function followLookup(
  candidates: readonly string[],
  answerOf: (name: string) => Lookup | undefined,
  libc: Libc,
): { readonly asked: readonly Lookup[]; readonly found: Lookup | undefined } {
  const asked: Lookup[] = []
  for (const name of candidates) {
    const lookup = answerOf(name)
    if (!lookup) break
    asked.push(lookup)
    if (lookup.rcode === 'NOERROR' && lookup.addresses.length > 0) return { asked, found: lookup }
    // musl goes on after NXDOMAIN only; glibc also after an empty answer and a SERVFAIL.
    if (libc === 'musl' && lookup.rcode !== 'NXDOMAIN') break
  }
  return { asked, found: undefined }
}

/** Images whose libc is musl, as far as a name can tell. */
export function guessLibc(image: string): Libc {
  return /(^|[/:-])(alpine|busybox:.*musl)|alpine/.test(image) ? 'musl' : 'glibc'
}
