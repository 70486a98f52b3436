// Every plugin, in the order in which a query passes them (CoreDNS's plugin.cfg); the order of a
// Corefile does not matter. A plugin is one record in plugins/ and one line here.
import type { Plugin } from './plugin.ts'
import { acl } from './plugins/acl.ts'
import { cache } from './plugins/cache.ts'
import { bind, health, prometheus, ready, reload } from './plugins/endpoints.ts'
import { errors } from './plugins/errors.ts'
import { forward } from './plugins/forward.ts'
import { header } from './plugins/header.ts'
import { hosts } from './plugins/hosts.ts'
import { kubernetes } from './plugins/kubernetes.ts'
import { loadbalance } from './plugins/loadbalance.ts'
import { log } from './plugins/log.ts'
import { loop } from './plugins/loop.ts'
import * as small from './plugins/small.ts'
import { tls } from './plugins/tls.ts'

/** A plugin whose code is only read when a Corefile names it: it brings a library along. */
export interface LazyPlugin {
  readonly name: string
  load(): Promise<Plugin>
}

const rewrite: LazyPlugin = {
  name: 'rewrite',
  load: async () => (await import('./plugins/rewrite.ts')).rewrite,
}
const template: LazyPlugin = {
  name: 'template',
  load: async () => (await import('./plugins/template.ts')).template,
}

export const plugins: readonly (Plugin | LazyPlugin)[] = [
  small.cancel,
  small.timeouts,
  small.multisocket,
  reload,
  small.nsid,
  small.bufsize,
  bind,
  small.debug,
  ready,
  health,
  small.pprof,
  prometheus,
  errors,
  log,
  small.local,
  small.any,
  small.chaos,
  loadbalance,
  rewrite,
  acl,
  cache,
  header,
  tls,
  small.minimal,
  template,
  hosts,
  kubernetes,
  loop,
  forward,
  small.whoami,
]

const later = 'it is planned for a later version'
const never = 'it speaks to a cloud or a store that this server does not know'

const laterNames =
  'root metadata proxyproto quic grpc_server https https3 trace shed dnstap dns64 tsig autopath dnssec transfer k8s_external file auto secondary etcd grpc erratic sign view'
const neverNames = 'geoip route53 azure clouddns nomad on'

/** CoreDNS's other plugins: known by name, so that a Corefile is told why it cannot be served. */
export const refusals: ReadonlyMap<string, string> = new Map([
  ...laterNames.split(' ').map((name): [string, string] => [name, later]),
  ...neverNames.split(' ').map((name): [string, string] => [name, never]),
])
