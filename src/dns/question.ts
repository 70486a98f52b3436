// The grammar of names inside a cluster zone, read once into named parts (Kubernetes DNS schema 1.1,
// dns.md 1.2). Whether the named thing exists is answer.ts's to say.
import { labelsOf } from './wire/name.ts'

export type ZoneQuestion =
  | { readonly kind: 'apex' }
  /** "svc" or "pod" alone: always there, always empty. */
  | { readonly kind: 'branch' }
  | { readonly kind: 'version' }
  | { readonly kind: 'nameserver' }
  | { readonly kind: 'namespace'; readonly namespace: string; readonly branch: 'svc' | 'pod' }
  | ServiceQuestion
  | { readonly kind: 'pod'; readonly namespace: string; readonly label: string }
  | { readonly kind: 'nothing' }

export interface ServiceQuestion {
  readonly kind: 'service'
  readonly namespace: string
  readonly service: string
  readonly endpoint?: string
  readonly port?: { readonly name: string; readonly protocol: string }
  /** "<zone>.pin._zone" and "<zone>.prefer._zone", where that option is on. */
  readonly topology?: { readonly zone: string; readonly rule: 'pin' | 'prefer' }
}

const nothing: ZoneQuestion = { kind: 'nothing' }

/** `name` and `origin` in lower case and absolute, the name below or at the origin. */
export function parseQuestion(name: string, origin: string, zonal = false): ZoneQuestion {
  if (name.length === origin.length) return { kind: 'apex' }
  const relative = origin === '.' ? name : name.slice(0, name.length - origin.length)
  const labels = labelsOf(relative)
  const branch = labels.pop()
  if (branch !== 'svc' && branch !== 'pod') return parseSpecial(branch, labels)
  const namespace = labels.pop()
  if (namespace === undefined) return { kind: 'branch' }
  if (branch === 'pod') {
    if (labels.length === 0) return { kind: 'namespace', namespace, branch }
    return labels.length === 1 ? { kind: 'pod', namespace, label: labels[0]! } : nothing
  }
  const service = labels.pop()
  if (service === undefined) return { kind: 'namespace', namespace, branch }
  return parseBelowService({ kind: 'service', namespace, service }, labels, zonal)
}

function parseSpecial(last: string | undefined, labels: readonly string[]): ZoneQuestion {
  if (last === 'dns-version' && labels.length === 0) return { kind: 'version' }
  if (last === 'dns' && labels.length === 1 && labels[0] === 'ns') return { kind: 'nameserver' }
  return nothing
}

function parseBelowService(
  base: ServiceQuestion,
  labels: readonly string[],
  zonal: boolean,
): ZoneQuestion {
  if (labels.length === 0) return base
  if (zonal && labels.at(-1) === '_zone' && labels.length >= 3) {
    const rule = labels.at(-2)
    if (rule !== 'pin' && rule !== 'prefer') return nothing
    return { ...base, topology: { zone: labels.slice(0, -2).join('.'), rule } }
  }
  const [first, second] = labels
  if (labels.length === 1) return { ...base, endpoint: first! }
  if (labels.length > 2 || !isUnderscored(first!) || !isUnderscored(second!)) return nothing
  return { ...base, port: { name: first!.slice(1), protocol: second!.slice(1) } }
}

const isUnderscored = (label: string): boolean => label.length > 1 && label.startsWith('_')

/** The address a Pod's label stands for: three single dashes make an IPv4 address, others IPv6. */
export function addressOfPodLabel(label: string): string {
  const ipv4 = label.split('-').length === 4 && !label.includes('--')
  return label.replaceAll('-', ipv4 ? '.' : ':')
}
