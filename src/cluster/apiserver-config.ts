// The API server's configuration inside a cluster, from the cluster's own.

import type { ApiserverConfig } from '../apiserver/config.ts'
import { cidrAddress, formatIp, parseCidr } from '../lib/ip.ts'
import { ClusterError } from './cluster-error.ts'
import type { ClusterConfig } from './config.ts'
import type { Pki, PkiConfig } from './pki.ts'

/** Inside the node the API is on the standard port, whatever it is on the host. */
export const nodeApiPort = 6443

export function apiserverConfig(config: ClusterConfig, pki: Pki): ApiserverConfig {
  return {
    bindAddress: config.bindAddress,
    securePort: config.port,
    tlsCert: pki.apiserver.cert,
    tlsPrivateKey: pki.apiserver.key,
    clientCA: pki.ca.cert,
    serviceAccountSigningKey: pki.serviceAccountKey,
    serviceAccountIssuer: `https://kubernetes.default.svc.${config.clusterDomain}`,
    serviceClusterIPRange: [config.serviceClusterIPRange],
    advertiseAddress: config.nodeIP,
    advertisePort: nodeApiPort,
    kubeletClientCertificate: pki.apiserverKubeletClient.cert,
    kubeletClientKey: pki.apiserverKubeletClient.key,
    kubeletCertificateAuthority: pki.ca.cert,
    authorizationMode: ['Node', 'RBAC'],
    clusterDomain: config.clusterDomain,
  }
}

export function pkiConfig(config: ClusterConfig, directory: string): PkiConfig {
  const service = `kubernetes.default.svc.${config.clusterDomain}`
  return {
    directory,
    nodeName: config.nodeName,
    nodeAddresses: [config.nodeIP],
    apiserverNames: [
      'localhost',
      config.bindAddress,
      config.nodeIP,
      firstServiceAddress(config.serviceClusterIPRange),
      'kubernetes',
      'kubernetes.default',
      'kubernetes.default.svc',
      service,
    ],
  }
}

function firstServiceAddress(range: string): string {
  const cidr = parseCidr(range)
  if (!cidr) throw new ClusterError(`cannot use the Service range "${range}": it is not a CIDR`)
  return formatIp(cidrAddress(cidr, 1n))
}
