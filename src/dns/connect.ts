// From the kubernetes plugin's connection options to a client of that API.
import type { Client } from '../client/client.ts'
import { inClusterConfig } from '../client/in-cluster.ts'
import { createClient } from '../client/resource-client.ts'
import { createTransport } from '../client/transport.ts'
import type { ClusterConfig } from './cluster.ts'
import { systemFiles } from './files.ts'

const userAgent = 'coredns/signpost'

/** Like client-go: a kubeconfig, else the endpoint, else the ServiceAccount of this Pod. */
export async function connectCluster(config: ClusterConfig): Promise<Client> {
  return createClient(createTransport(await transportConfig(config)))
}

async function transportConfig(config: ClusterConfig) {
  if (config.kubeconfig === undefined && config.endpoint !== undefined) {
    const { tls, endpoint } = config
    const server = endpoint.includes('://') ? endpoint : `https://${endpoint}`
    if (!tls) return { server, userAgent }
    const { cert, key, ca } = tls
    const read = systemFiles.readText
    return { server, userAgent, cert: read(cert), key: read(key), ca: read(ca) }
  }
  if (config.kubeconfig === undefined) return inClusterConfig(userAgent)
  const { kubeconfig } = await import('../client/config.ts')
  const { kubeconfig: file, context } = config
  return kubeconfig({ userAgent, file, ...(context ? { context } : {}) }).transport
}
