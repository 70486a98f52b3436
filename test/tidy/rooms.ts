// The floor plan: which room may import which, from the top floor down (and always itself).
import { existsSync, readFileSync } from 'node:fs'
import * as path from 'node:path'
import { root } from './sources.ts'

const below = [
  'doctor',
  'controllers',
  'scheduler',
  'dns',
  'proxy',
  'kubelet',
  'apiserver',
  'client',
  'api',
  'store',
  'linux',
  'lib',
]

export const mayImport: Readonly<Record<string, readonly string[]>> = {
  testkit: ['cluster', 'apiserver', 'controllers', 'scheduler', 'store', 'client', 'api', 'lib'],
  cli: ['cluster', 'doctor', 'apiserver', 'store', 'client', 'dns', 'api', 'lib'],
  cluster: below,
  doctor: ['dns', 'proxy', 'linux', 'client', 'api', 'lib'],
  controllers: ['client', 'api', 'lib'],
  scheduler: ['client', 'api', 'lib'],
  dns: ['client', 'api', 'linux', 'lib'],
  proxy: ['client', 'api', 'linux', 'lib'],
  kubelet: ['client', 'api', 'linux', 'lib'],
  apiserver: ['store', 'api', 'lib'],
  client: ['api', 'lib'],
  api: ['lib'],
  store: ['lib'],
  linux: ['lib'],
  lib: [],
}

/** What a room's README lists under Doors: file names or patterns with "*", relative to the room. */
export function doorsOf(room: string): readonly RegExp[] {
  const readme = path.join(root, 'src', room, 'README.md')
  if (!existsSync(readme)) return []
  const section =
    /^#+ Doors\n([\s\S]*?)(?=^#|(?![\s\S]))/m.exec(readFileSync(readme, 'utf8'))?.[1] ?? ''
  const names = [...section.matchAll(/`([\w.*/-]+\.ts)`/g)].map((match) => match[1]!)
  return names.map(
    (name) => new RegExp(`^${name.replaceAll('.', '\\.').replaceAll('*', '[\\w.-]*')}$`),
  )
}

/**
 * The files that do I/O, read time or read the environment, and what for. Everything else is handed
 * a Clock, a Random, a Store, a Transport.
 */
export const edges: readonly { readonly pattern: RegExp; readonly why: string }[] = [
  { pattern: /^src\/apiserver\/(listener|connect)\.ts$/, why: 'connections in, and to kubelets' },
  {
    pattern: /^src\/lib\/(clock|random|log|metrics|file|jsonl)\.ts$/,
    why: 'the clock, chance and logs themselves',
  },
  { pattern: /^src\/linux\//, why: 'the kernel' },
  { pattern: /^src\/store\/(lmdb|lmdb-file|lock|etcd)\.ts$/, why: 'commits' },
  {
    pattern: /^src\/client\/(transport|config|in-cluster)\.ts$/,
    why: 'requests; kubeconfig and token files',
  },
  {
    pattern: /^src\/dns\/(dns|main|listeners|http-endpoints|upstream|files)\.ts$/,
    why: 'queries, upstreams, the Corefile, HTTP endpoints',
  },
  {
    pattern: /^src\/proxy\/(healthcheck|userspace)\.ts$/,
    why: 'health checks; the relay where there is no nf_tables',
  },
  {
    pattern:
      /^src\/kubelet\/process-runtime\/(container|exec|host-view|process-runtime|sandbox)\.ts$/,
    why: 'processes, namespaces and mounts of Pods',
  },
  {
    pattern:
      /^src\/kubelet\/(container-logs?|machine|network|pod-files|program|state-directory|volumes)\.ts$/,
    why: 'files of Pods and of the node',
  },
  { pattern: /^src\/kubelet\/(probe|probe-grpc|server)\.ts$/, why: 'probes; the kubelet’s server' },
  { pattern: /^src\/kubelet\/builtin\//, why: 'programs that run inside Pods' },
  { pattern: /^src\/cluster\//, why: 'assembly: processes, sockets, files, PKI' },
  { pattern: /^src\/cli\//, why: 'arguments, environment, terminal' },
]

/** Node's modules that only edge files import. */
export const edgeModules = [
  'net',
  'tls',
  'http',
  'http2',
  'https',
  'dgram',
  'fs',
  'fs/promises',
  'child_process',
  'worker_threads',
]
/** Globals that only edge files use. */
export const edgeGlobals =
  /\b(process\.|Date\.now\(|Math\.random\(|setTimeout\(|setInterval\(|console\.|performance\.now\()/
