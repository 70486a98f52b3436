// The Service "kubernetes" and its endpoints: how Pods find this server. Made again when deleted.
import type { KubeObject, Resource } from '../api/machinery/resource.ts'
import { StatusError } from '../api/machinery/status.ts'
import { endpoints, endpointslices, services } from '../api/resources.gen.ts'
import type { Service } from '../api/types/core.gen.ts'
import { cidrAddress, cidrContains, formatIp, parseCidr, parseIp } from '../lib/ip.ts'
import type { ApiserverConfig } from './config.ts'
import { createObject } from './create.ts'
import { track, trackingOf, writtenOut } from './tracking.ts'
import { updateObject } from './update.ts'
import type { WriterDeps, WriteScope } from './writer.ts'
import { ownManager } from './writer.ts'

const namespace = 'default'
const name = 'kubernetes'
const manager = ownManager

/** The server itself, as admission and field ownership see it. */
export function ownScope(
  deps: WriterDeps,
  resource: Resource,
  of: { namespace: string; name: string },
): WriteScope {
  return {
    served: deps.servedOf(resource),
    ...of,
    subresource: '',
    user: { name: 'system:apiserver', uid: '', groups: ['system:masters'], extra: {} },
    options: {
      dryRun: false,
      fieldManager: manager,
      fieldValidation: 'Ignore',
      force: false,
      object: {},
    },
    warnings: [],
  }
}

/** Makes what is missing and mends the endpoints; to be repeated now and then. */
export async function reconcileKubernetesService(
  deps: WriterDeps,
  config: ApiserverConfig,
  port: number,
): Promise<void> {
  const target = { address: config.advertiseAddress, port: config.advertisePort ?? port }
  const [range = ''] = config.serviceClusterIPRange
  const service = kubernetesService(range, target.port)
  await ensure(deps, services, { object: service, same: sameService })
  // An endpoint may not be on the loopback; there it is a server for this machine alone.
  if (isLoopback(target.address)) return
  await ensure(deps, endpoints, {
    object: kubernetesEndpoints(target),
    same: sameContent('subsets'),
  })
  await ensure(deps, endpointslices, {
    object: kubernetesSlice(target),
    same: sameContent('endpoints', 'ports'),
  })
}

const loopback = ['127.0.0.0/8', '::1/128'].map((text) => parseCidr(text)!)

function isLoopback(address: string): boolean {
  const ip = parseIp(address)
  return ip !== undefined && loopback.some((cidr) => cidrContains(cidr, ip))
}

type Same = (stored: KubeObject, wanted: KubeObject) => boolean

async function ensure(
  deps: WriterDeps,
  resource: Resource,
  { object, same }: { readonly object: KubeObject; readonly same: Same },
): Promise<void> {
  const scope = ownScope(deps, resource, { namespace, name })
  const entry = scope.served.cache.get(`${namespace}/${name}`)
  try {
    if (!entry) await createObject(deps, scope, { object })
    else if (!same(entry.object, object)) await overwrite(deps, scope, object)
  } catch (error) {
    // Somebody else was faster: what they made is looked at next time.
    if (!(error instanceof StatusError && error.reason === 'AlreadyExists')) throw error
  }
}

async function overwrite(deps: WriterDeps, scope: WriteScope, wanted: KubeObject): Promise<void> {
  await updateObject(deps, scope, {
    transform: (live) => {
      const metadata = { ...live.metadata, ...wanted.metadata }
      const next = writtenOut(scope.served, { ...live, ...wanted, metadata })
      const writer = { manager, subresource: '', nowMs: deps.clock.now() }
      track(live, next, trackingOf(scope.served, writer))
      return next
    },
  })
}

/** Its address is not to be changed, and people may add to its labels. */
const sameService: Same = (stored, wanted) => {
  const [ports, wantedPorts] = [stored, wanted].map((one) => (one as Service).spec.ports)
  return portsText(ports) === portsText(wantedPorts)
}

const portsText = (ports: Service['spec']['ports']): string =>
  JSON.stringify((ports ?? []).map(({ name, port, targetPort }) => [name, port, targetPort]))

const sameContent =
  (...fields: readonly string[]): Same =>
  (stored, wanted) =>
    fields.every((field) => {
      const [one, other] = [stored, wanted].map((object) => {
        return canonical((object as unknown as Record<string, unknown>)[field])
      })
      return one === other
    })

function canonical(value: unknown): string {
  return JSON.stringify(value, (_, item) =>
    item !== null && typeof item === 'object' && !Array.isArray(item)
      ? Object.fromEntries(Object.entries(item).sort(([one], [other]) => (one < other ? -1 : 1)))
      : item,
  )
}

interface Target {
  readonly address: string
  readonly port: number
}

function kubernetesService(range: string, port: number): KubeObject {
  const cidr = parseCidr(range)
  if (!cidr) throw new Error(`cannot use service range "${range}": it is not a CIDR`)
  const object = {
    metadata: { name, namespace, labels: { component: 'apiserver', provider: 'kubernetes' } },
    spec: {
      type: 'ClusterIP',
      clusterIP: formatIp(cidrAddress(cidr, 1n)),
      ipFamilyPolicy: 'SingleStack',
      sessionAffinity: 'None',
      internalTrafficPolicy: 'Cluster',
      ports: [{ name: 'https', protocol: 'TCP', port: 443, targetPort: port }],
    },
  }
  return object as KubeObject
}

function kubernetesEndpoints({ address, port }: Target): KubeObject {
  const labels = { 'endpointslice.kubernetes.io/skip-mirror': 'true' }
  const ports = [{ name: 'https', port, protocol: 'TCP' }]
  const object = {
    metadata: { name, namespace, labels },
    subsets: [{ addresses: [{ ip: address }], ports }],
  }
  return object as KubeObject
}

function kubernetesSlice({ address, port }: Target): KubeObject {
  const object = {
    metadata: { name, namespace, labels: { 'kubernetes.io/service-name': name } },
    addressType: address.includes(':') ? 'IPv6' : 'IPv4',
    endpoints: [{ addresses: [address], conditions: { ready: true } }],
    ports: [{ name: 'https', protocol: 'TCP', port }],
  }
  return object as unknown as KubeObject
}
