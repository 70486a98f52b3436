// A Pod's hostname and its /etc/hosts.
import type { Pod } from '../api/types/core.gen.ts'

const maxNodeNameLength = 64
const maxLabelLength = 63

export type HostnameResult = { readonly hostname: string } | { readonly error: string }

/** What the kernel is told; the node's own for hostNetwork is the caller's matter. */
export function hostnameOf(pod: Pod, clusterDomain: string): HostnameResult {
  const { spec, metadata } = pod
  if (spec.hostnameOverride) return { hostname: spec.hostnameOverride }
  const short = shortHostname(pod)
  if (!spec.setHostnameAsFQDN || !spec.subdomain) return { hostname: short }
  const fqdn = `${short}.${spec.subdomain}.${metadata.namespace}.svc.${clusterDomain}`
  if (fqdn.length <= maxNodeNameLength) return { hostname: fqdn }
  return {
    error: `Failed to construct FQDN from Pod hostname and cluster domain, FQDN ${fqdn} is too long (${maxNodeNameLength} characters is the max, ${fqdn.length} characters requested).`,
  }
}

function shortHostname(pod: Pod): string {
  if (pod.spec.hostname) return pod.spec.hostname
  return pod.metadata.name.slice(0, maxLabelLength).replace(/[-.]+$/, '')
}

export interface HostsRequest {
  readonly podIPs: readonly string[]
  readonly clusterDomain: string
  /** The node's own file, for hostNetwork. */
  readonly nodeHosts?: string
}

const localHosts = [
  '# Kubernetes-managed hosts file.',
  '127.0.0.1\tlocalhost',
  '::1\tlocalhost ip6-localhost ip6-loopback',
  'fe00::0\tip6-localnet',
  'fe00::0\tip6-mcastprefix',
  'fe00::1\tip6-allnodes',
  'fe00::2\tip6-allrouters',
]

export function buildHosts(pod: Pod, request: HostsRequest): string {
  const { subdomain, hostAliases = [] } = pod.spec
  const host = pod.spec.hostnameOverride ?? shortHostname(pod)
  const lines =
    request.nodeHosts === undefined
      ? [...localHosts]
      : ['# Kubernetes-managed hosts file (host network).', request.nodeHosts.trimEnd()]
  if (request.nodeHosts === undefined) {
    const domain = `${subdomain}.${pod.metadata.namespace}.svc.${request.clusterDomain}`
    const names = subdomain && !pod.spec.hostnameOverride ? `${host}.${domain}\t${host}` : host
    for (const ip of request.podIPs) lines.push(`${ip}\t${names}`)
  }
  if (hostAliases.length > 0) {
    lines.push('', '# Entries added by HostAliases.')
    for (const { ip, hostnames = [] } of hostAliases) lines.push([ip, ...hostnames].join('\t'))
  }
  return `${lines.join('\n')}\n`
}
