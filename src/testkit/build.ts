// Objects as a manifest would have them: the fields that matter given, the others left to defaults.

import type { Deployment, DeploymentSpec } from '../api/types/apps.gen.ts'
import type {
  ConfigMap,
  Namespace,
  Pod,
  PodSpec,
  Service,
  ServiceSpec,
} from '../api/types/core.gen.ts'
import type { EndpointSlice } from '../api/types/discovery.gen.ts'
import type { ObjectMeta } from '../api/types/meta.gen.ts'

type Meta = Partial<ObjectMeta>

const inDefault = (name: string, metadata: Meta): ObjectMeta => ({
  namespace: 'default',
  ...metadata,
  name,
})

export const buildNamespace = (name: string, metadata: Meta = {}): Namespace => ({
  apiVersion: 'v1',
  kind: 'Namespace',
  metadata: { ...metadata, name },
  spec: {},
})

/** One container "main" and the label app=NAME. */
export const buildPod = (name: string, spec: Partial<PodSpec> = {}, metadata: Meta = {}): Pod => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: inDefault(name, { labels: { app: name }, ...metadata }),
  spec: { containers: [{ name: 'main', image: 'example.test/main' }], ...spec },
})

/** Port 80 of the Pods labelled app=NAME. */
export const buildService = (
  name: string,
  spec: Partial<ServiceSpec> = {},
  metadata: Meta = {},
): Service => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: inDefault(name, metadata),
  spec: { selector: { app: name }, ports: [{ port: 80 }], ...spec } as ServiceSpec,
})

/** Pods labelled app=NAME with one container "main". */
export const buildDeployment = (
  name: string,
  spec: Partial<DeploymentSpec> = {},
  metadata: Meta = {},
): Deployment => {
  const { spec: podSpec } = buildPod(name)
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: inDefault(name, metadata),
    spec: {
      replicas: 1,
      selector: { matchLabels: { app: name } },
      template: { metadata: { labels: { app: name } }, spec: podSpec },
      ...spec,
    },
  }
}

/** Endpoints written by hand, for a Service without a selector. */
export const buildEndpointSlice = (
  service: string,
  addresses: readonly string[],
  options: { readonly port?: number; readonly portName?: string; readonly metadata?: Meta } = {},
): EndpointSlice => ({
  apiVersion: 'discovery.k8s.io/v1',
  kind: 'EndpointSlice',
  metadata: inDefault(options.metadata?.name ?? `${service}-1`, {
    ...options.metadata,
    labels: { 'kubernetes.io/service-name': service, ...options.metadata?.labels },
  }),
  addressType: addresses[0]?.includes(':') ? 'IPv6' : 'IPv4',
  endpoints: addresses.map((address) => ({ addresses: [address] })),
  ports: [{ name: options.portName ?? '', port: options.port ?? 80 }],
})

export const buildConfigMap = (
  name: string,
  data: Readonly<Record<string, string>> = {},
  metadata: Meta = {},
): ConfigMap => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: inDefault(name, metadata),
  data,
})
