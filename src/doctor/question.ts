// What the words on the command line may mean, before the API was asked.

export interface Question {
  readonly namespace: string
  /** Look at all namespaces. */
  readonly all: boolean
  readonly target?: Target | undefined
  /** Name of the Pod that asks or connects, "NAME" or "NAMESPACE/NAME". */
  readonly from?: string | undefined
}

export interface Target {
  /** "any": a single word, which is a Service, else a Pod, else a name. */
  readonly kind: 'service' | 'pod' | 'any' | 'name'
  readonly name: string
  readonly port?: number | string
}

/** The words ask for nothing that could have a name. */
export class QuestionError extends Error {}

/** Without a name, or with ".", a request would ask for the whole list instead of one object. */
export function nameIn(name: string, words: string): string {
  if (/^\.*$/.test(name)) throw new QuestionError(`"${words}" names no Service, Pod or host`)
  return name
}

const kinds: Readonly<Record<string, 'service' | 'pod'>> = {
  service: 'service',
  services: 'service',
  svc: 'service',
  pod: 'pod',
  pods: 'pod',
  po: 'pod',
}

/**
 * "web", "svc/web:80", "pod/client", "web.shop:http", "http://web.shop:8080/path".
 * Throws QuestionError when there is no name in it.
 */
export function parseTarget(text: string): Target {
  const url = /^([a-z][a-z0-9+.-]*):\/\/([^/?#]*)/i.exec(text)
  const words = url ? url[2]!.replace(/^.*@/, '') : text
  const slash = words.indexOf('/')
  const kind = slash > 0 ? kinds[words.slice(0, slash).toLowerCase()] : undefined
  const rest = kind ? words.slice(slash + 1) : words
  const colon = rest.lastIndexOf(':')
  const name = colon >= 0 ? rest.slice(0, colon) : rest
  const port = colon >= 0 ? portOf(rest.slice(colon + 1)) : schemePort(url?.[1])
  return {
    kind: kind ?? (name.includes('.') ? 'name' : 'any'),
    name: nameIn(name, text),
    ...(port === undefined ? {} : { port }),
  }
}

function portOf(text: string): number | string {
  return /^\d+$/.test(text) ? Number(text) : text
}

function schemePort(scheme: string | undefined): number | undefined {
  if (scheme === undefined) return undefined
  return ({ http: 80, https: 443 } as Readonly<Record<string, number>>)[scheme.toLowerCase()]
}

/**
 * The Service that a name of several labels would be, by the cluster's grammar: SERVICE.NAMESPACE,
 * with or without "svc" and the cluster domain. Undefined: no name of a Service.
 */
export function serviceOfName(
  name: string,
  clusterDomain: string,
): { readonly name: string; readonly namespace: string; readonly certain: boolean } | undefined {
  const labels = name.replace(/\.$/, '').toLowerCase().split('.')
  const suffix = ['svc', ...clusterDomain.toLowerCase().split('.')]
  const [service, namespace, ...rest] = labels
  if (!service || !namespace) return undefined
  const isFull = rest.length > 0 && rest.every((label, index) => label === suffix[index])
  if (rest.length > 0 && !isFull) return ofLongerName(labels, suffix)
  return { name: service, namespace, certain: rest.length > 0 }
}

/** A Pod or port in front of it: "web-0.web.shop.svc.cluster.local", "_http._tcp.web.shop.svc". */
function ofLongerName(
  labels: readonly string[],
  suffix: readonly string[],
): ReturnType<typeof serviceOfName> {
  const at = labels.lastIndexOf('svc')
  if (at < 2 || !labels.slice(at).every((label, index) => label === suffix[index])) return undefined
  return { name: labels[at - 2]!, namespace: labels[at - 1]!, certain: true }
}
