// The resolv.conf of a Pod, from its DNS policy, the cluster's DNS and the node's own file.
import type { Pod } from '../api/types/core.gen.ts'

export interface ResolvConf {
  readonly nameservers: readonly string[]
  readonly searches: readonly string[]
  readonly options: readonly string[]
}

export interface ClusterDNS {
  readonly servers: readonly string[]
  readonly domain: string
}

export interface ResolvConfResult {
  readonly conf: ResolvConf
  /** Warnings for events: what was cut, or that there is no cluster DNS. */
  readonly warnings: readonly { readonly reason: string; readonly message: string }[]
}

const maxNameservers = 3
const maxSearches = 32
const maxSearchChars = 2048
const maxSearchLength = 255

export function buildResolvConf(pod: Pod, cluster: ClusterDNS, node: ResolvConf): ResolvConfResult {
  const warnings: { reason: string; message: string }[] = []
  const base = baseOf(pod, cluster, node)
  if (base.missing) {
    const message =
      'pod: "' +
      `${pod.metadata.name}_${pod.metadata.namespace}(${pod.metadata.uid})". ` +
      'kubelet does not have ClusterDNS IP configured and cannot create Pod using "ClusterFirst" policy. Falling back to "Default" policy.'
    warnings.push({ reason: 'MissingClusterDNS', message })
  }
  const { dnsConfig } = pod.spec
  const merged: ResolvConf = {
    nameservers: unique([...base.conf.nameservers, ...(dnsConfig?.nameservers ?? [])]),
    searches: unique([...base.conf.searches, ...(dnsConfig?.searches ?? [])]),
    options: mergeOptions(base.conf.options, dnsConfig?.options ?? []),
  }
  const conf = cut(merged, warnings)
  return { conf, warnings }
}

function baseOf(
  pod: Pod,
  cluster: ClusterDNS,
  node: ResolvConf,
): { conf: ResolvConf; missing?: boolean } {
  const policy = pod.spec.dnsPolicy ?? 'ClusterFirst'
  if (policy === 'None') return { conf: { nameservers: [], searches: [], options: [] } }
  const first = policy === 'ClusterFirstWithHostNet' || !pod.spec.hostNetwork
  if (policy === 'Default' || !first) return { conf: node }
  if (cluster.servers.length === 0) return { conf: node, missing: true }
  const { domain } = cluster
  const own = domain ? [`${pod.metadata.namespace}.svc.${domain}`, `svc.${domain}`, domain] : []
  return {
    conf: {
      nameservers: cluster.servers,
      searches: unique([...own, ...node.searches]),
      options: ['ndots:5'],
    },
  }
}

function unique(list: readonly string[]): string[] {
  return [...new Set(list)]
}

/** By name; the Pod's value takes the place of the base's. */
function mergeOptions(
  base: readonly string[],
  own: readonly { readonly name?: string | undefined; readonly value?: string | undefined }[],
): string[] {
  const merged = new Map(base.map((option) => [option.split(':')[0]!, option]))
  for (const { name, value } of own) {
    if (name) merged.set(name, value === undefined || value === '' ? name : `${name}:${value}`)
  }
  return [...merged.values()]
}

function cut(conf: ResolvConf, warnings: { reason: string; message: string }[]): ResolvConf {
  const nameservers = conf.nameservers.slice(0, maxNameservers)
  if (nameservers.length < conf.nameservers.length) {
    const line = nameservers.join(' ')
    const message = `Nameserver limits were exceeded, some nameservers have been omitted, the applied nameserver line is: ${line}`
    warnings.push({ reason: 'DNSConfigForming', message })
  }
  const searches: string[] = []
  let chars = 0
  for (const search of conf.searches) {
    if (search.length > maxSearchLength || searches.length === maxSearches) continue
    if (chars + search.length > maxSearchChars) break
    chars += search.length + 1
    searches.push(search)
  }
  if (searches.length < conf.searches.length) {
    const line = searches.join(' ')
    const message = `Search Line limits were exceeded, some search paths have been omitted, the applied search line is: ${line}`
    warnings.push({ reason: 'DNSConfigForming', message })
  }
  return { ...conf, nameservers, searches }
}

export function formatResolvConf(conf: ResolvConf): string {
  return [
    ...(conf.searches.length > 0 ? [`search ${conf.searches.join(' ')}`] : []),
    ...conf.nameservers.map((server) => `nameserver ${server}`),
    ...(conf.options.length > 0 ? [`options ${conf.options.join(' ')}`] : []),
  ]
    .map((line) => `${line}\n`)
    .join('')
}

/** The last search line wins, as resolv.conf(5) says; "domain" is an old word for it. */
export function parseResolvConf(text: string): ResolvConf {
  const nameservers: string[] = []
  let searches: string[] = []
  let options: string[] = []
  for (const line of text.split('\n')) {
    const [key, ...values] = line
      .replace(/[#;].*/, '')
      .trim()
      .split(/\s+/)
    if (key === 'nameserver' && values[0]) nameservers.push(values[0])
    if (key === 'search' || key === 'domain') searches = values.map(withoutDot)
    if (key === 'options') options = values
  }
  return { nameservers, searches, options }
}

function withoutDot(name: string): string {
  return name === '.' ? name : name.replace(/\.$/, '')
}
