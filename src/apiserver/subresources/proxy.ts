// The proxy subresource: any request to a Pod, to a ready endpoint of a Service, or to a kubelet.
import { badRequestError, notFoundError, statusError } from '../../api/machinery/status.ts'
import { endpointslices, pods, services } from '../../api/resources.gen.ts'
import type { Pod, Service } from '../../api/types/core.gen.ts'
import type { EndpointSlice } from '../../api/types/discovery.gen.ts'
import type { Answer } from '../call.ts'
import type { Target } from '../connect.ts'
import { proxyRequest, proxyUpgrade } from '../connect.ts'
import type { ObjectRequest } from '../registry.ts'
import type { SpecialHandler } from '../router.ts'
import type { KubeletDeps } from './kubelet.ts'
import { dialOf, kubeletTarget } from './kubelet.ts'

type Locate = (deps: KubeletDeps, request: ObjectRequest, path: string) => Target

export function proxyHandler(deps: KubeletDeps, of: 'pods' | 'services' | 'nodes'): SpecialHandler {
  const locate = { pods: podTarget, services: serviceTarget, nodes: nodeTarget }[of]
  return (request) => forward(deps, request, locate)
}

async function forward(deps: KubeletDeps, request: ObjectRequest, locate: Locate): Promise<Answer> {
  const { call } = request.exchange
  const { base, rest } = splitPath(call.path)
  // A relative link on the target's first page needs the slash.
  if (rest === '') return { code: 301, headers: { location: `${base}/${call.search}` } }
  const target = locate(deps, request, rest + call.search)
  if (call.upgrade) return proxyUpgrade(call, dialOf(deps), target)
  const headers = {
    'x-forwarded-uri': call.path,
    'x-forwarded-host': String(call.headers.host ?? ''),
  }
  return proxyRequest(call, dialOf(deps), { target, options: { base, headers } })
}

/** ".../pods/web:80/proxy" and "/a/b". */
function splitPath(path: string): { base: string; rest: string } {
  const match = /^(.*?\/(?:pods|services|nodes)\/[^/]+\/proxy)(\/.*)?$/.exec(path)
  return { base: match?.[1] ?? path, rest: match?.[2] ?? '' }
}

interface Addressed {
  readonly scheme: 'http' | 'https'
  readonly name: string
  readonly port: string
}

/** "[https:]NAME[:PORT]" */
function parseAddressed(text: string): Addressed {
  const parts = text.split(':')
  if (parts.length === 3 && (parts[0] === 'http' || parts[0] === 'https' || parts[0] === '')) {
    return { scheme: parts[0] === 'https' ? 'https' : 'http', name: parts[1]!, port: parts[2]! }
  }
  if (parts.length <= 2) return { scheme: 'http', name: parts[0]!, port: parts[1] ?? '' }
  throw badRequestError(`invalid request ${JSON.stringify(text)}`)
}

const tlsOf = (scheme: string) => (scheme === 'https' ? {} : undefined)

function podTarget(
  deps: KubeletDeps,
  { namespace, name: text }: ObjectRequest,
  path: string,
): Target {
  const { scheme, name, port } = parseAddressed(text)
  const pod = deps.registry.servedOf(pods).cache.get(`${namespace}/${name}`)?.object as
    | Pod
    | undefined
  if (!pod) throw notFoundError(pods, name)
  const own = (pod.spec.containers ?? []).flatMap((container) => container.ports ?? [])[0]
  const chosen =
    port === '' ? (own?.containerPort ?? (scheme === 'https' ? 443 : 80)) : Number(port)
  const host = pod.status?.podIP
  if (!host) throw badRequestError('address not allowed')
  return { host, port: chosen, path, tls: tlsOf(scheme), shown: `pod ${JSON.stringify(name)}` }
}

function serviceTarget(
  deps: KubeletDeps,
  { namespace, name: text }: ObjectRequest,
  path: string,
): Target {
  const { scheme, name, port } = parseAddressed(text)
  const { registry } = deps
  const service = registry.servedOf(services).cache.get(`${namespace}/${name}`)?.object as
    | Service
    | undefined
  if (!service) throw notFoundError(services, name)
  const ports = service.spec.ports ?? []
  const wanted =
    port === ''
      ? ports.length === 1
        ? ports[0]
        : undefined
      : ports.find((one) => one.name === port || String(one.port) === port)
  if (!wanted)
    throw statusError(
      'ServiceUnavailable',
      `no service port ${JSON.stringify(port)} found for service ${JSON.stringify(name)}`,
    )
  const found = readyEndpoints(deps, { namespace, name, portName: wanted.name ?? '' })
  const chosen = found[Math.floor(registry.random.next() * found.length)]
  if (!chosen)
    throw statusError(
      'ServiceUnavailable',
      `no endpoints available for service ${JSON.stringify(text)}`,
    )
  return { ...chosen, path, tls: tlsOf(scheme), shown: `service ${JSON.stringify(name)}` }
}

interface ServicePortName {
  readonly namespace: string
  readonly name: string
  readonly portName: string
}

function readyEndpoints(deps: KubeletDeps, { namespace, name, portName }: ServicePortName) {
  const found: { host: string; port: number }[] = []
  for (const entry of deps.registry.servedOf(endpointslices).cache.list(namespace)) {
    if (entry.labels['kubernetes.io/service-name'] !== name) continue
    const slice = entry.object as EndpointSlice
    const port = (slice.ports ?? []).find((one) => (one.name ?? '') === portName)?.port
    if (port === undefined || slice.addressType === 'FQDN') continue
    for (const { addresses, conditions } of slice.endpoints ?? []) {
      if (conditions?.ready === false) continue
      const [host] = addresses ?? []
      if (host !== undefined) found.push({ host, port })
    }
  }
  return found
}

function nodeTarget(deps: KubeletDeps, { name: text }: ObjectRequest, path: string): Target {
  const { name, port } = parseAddressed(text)
  const target = kubeletTarget(deps, name, path)
  return port === '' ? target : { ...target, port: Number(port) }
}
