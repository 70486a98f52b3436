// The data plane of Services on this node: watches the API, and keeps nftables in step with it,
// one small transaction for each change. Upstream counterpart: kube-proxy in nftables mode.
import { SystemError } from '../linux/ffi.ts'
import type { ProxyConfig } from './config.ts'
import { NftablesProxy } from './nftables-proxy.ts'
import type { Proxy, ProxyDeps } from './proxy-door.ts'
import { UserspaceProxy } from './userspace-proxy.ts'

export type { ProxyConfig } from './config.ts'
export type { Proxy, ProxyDeps } from './proxy-door.ts'

/**
 * Works in the network namespace of the calling thread. Throws SystemError, before anything is
 * changed, where nf_tables cannot be used and the mode does not allow the userspace proxy.
 */
export async function startProxy(config: ProxyConfig, deps: ProxyDeps): Promise<Proxy> {
  const mode = config.mode ?? 'nftables'
  if (mode !== 'userspace') {
    try {
      return await started(new NftablesProxy(config, deps))
    } catch (error) {
      if (mode !== 'auto' || !(error instanceof SystemError)) throw error
      deps.log.warn('nftables cannot be used, the userspace proxy takes over', { error })
    }
  }
  return started(new UserspaceProxy(config, deps))
}

async function started<P extends { start(): Promise<void> }>(proxy: P): Promise<P> {
  await proxy.start()
  return proxy
}
