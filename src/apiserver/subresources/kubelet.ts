// Where a node's kubelet is, and how it is spoken to.
import { badRequestError, notFoundError, statusError } from '../../api/machinery/status.ts'
import { nodes, pods } from '../../api/resources.gen.ts'
import type { Node, Pod } from '../../api/types/core.gen.ts'
import type { ApiserverConfig } from '../config.ts'
import type { Dial, Target, TlsOptions } from '../connect.ts'
import { dialTcp } from '../connect.ts'
import type { ObjectRequest, RegistryDeps } from '../registry.ts'

export interface KubeletDeps {
  readonly registry: RegistryDeps
  readonly config: ApiserverConfig
  readonly dial: Dial | undefined
}

const defaultPort = 10250
const addressTypes = ['Hostname', 'InternalDNS', 'InternalIP', 'ExternalDNS', 'ExternalIP'] as const
/** Names of nodes are not resolved here: addresses first. */
const preferred = [
  'InternalIP',
  'ExternalIP',
  ...addressTypes.filter((type) => !type.endsWith('IP')),
]

export const dialOf = ({ dial }: KubeletDeps): Dial => dial ?? dialTcp

export function kubeletTls({ config }: KubeletDeps): TlsOptions {
  return {
    cert: config.kubeletClientCertificate,
    key: config.kubeletClientKey,
    ca: config.kubeletCertificateAuthority,
  }
}

export function kubeletTarget(deps: KubeletDeps, nodeName: string, path: string): Target {
  const node = deps.registry.servedOf(nodes).cache.get(nodeName)?.object as Node | undefined
  if (!node) throw notFoundError(nodes, nodeName)
  const addresses = node.status?.addresses ?? []
  const found = preferred
    .map((type) => addresses.find((address) => address.type === type))
    .find((address) => address !== undefined)
  if (!found) {
    const tried = addressTypes.join(' ')
    throw statusError(
      'ServiceUnavailable',
      `no preferred addresses found; known addresses: [${tried}]`,
    )
  }
  const port = node.status?.daemonEndpoints?.kubeletEndpoint?.Port || defaultPort
  const shown = `kubelet of node ${JSON.stringify(nodeName)}`
  return { host: found.address, port, path, tls: kubeletTls(deps), shown }
}

export function podOf(deps: KubeletDeps, { namespace, name }: ObjectRequest): Pod {
  const entry = deps.registry.servedOf(pods).cache.get(`${namespace}/${name}`)
  if (!entry) throw notFoundError(pods, name)
  return entry.object as Pod
}

const defaultContainer = 'kubectl.kubernetes.io/default-container'

/** The container that is meant: named, by annotation, or the only one. */
export function containerOf(pod: Pod, asked: string | null): string {
  const { spec, metadata } = pod
  const all = [
    ...(spec.containers ?? []),
    ...(spec.initContainers ?? []),
    ...(spec.ephemeralContainers ?? []),
  ].map(({ name }) => name)
  if (asked !== null && asked !== '') {
    if (all.includes(asked)) return asked
    throw badRequestError(`container ${asked} is not valid for pod ${metadata.name}`)
  }
  const [first, ...more] = spec.containers ?? []
  if (first && more.length === 0) return first.name
  const annotated = metadata.annotations?.[defaultContainer]
  if (annotated !== undefined && all.includes(annotated)) return annotated
  throw badRequestError(ambiguous(pod))
}

function ambiguous({ spec, metadata }: Pod): string {
  const names = (spec.containers ?? []).map(({ name }) => name).join(' ')
  const inits = (spec.initContainers ?? []).map(({ name }) => name).join(' ')
  const text = `a container name must be specified for pod ${metadata.name}, choose one of: [${names}]`
  return inits === '' ? text : `${text} or one of the init containers: [${inits}]`
}
