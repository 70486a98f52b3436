// `signpost apiserver`: the API server alone, with Kubernetes' flag names for what it shares.
import { readFileSync } from 'node:fs'
import * as path from 'node:path'
import { startApiserver } from '../apiserver/apiserver.ts'
import type { ApiserverConfig } from '../apiserver/config.ts'
import { parseTokenFile } from '../apiserver/config.ts'
import { loadPki } from '../cluster/pki.ts'
import { systemClock } from '../lib/clock.ts'
import { createLogger } from '../lib/log.ts'
import { systemRandom } from '../lib/random.ts'
import { openLmdbStore } from '../store/lmdb.ts'
import type { FlagSpec, Flags } from './flags.ts'
import { formatFlags, parseFlags, requireFile } from './flags.ts'
import { CliError, print } from './output.ts'

const flagSpecs: Readonly<Record<string, FlagSpec>> = {
  'data-dir': { type: 'string', value: 'directory', help: 'where state is kept (required)' },
  'bind-address': {
    type: 'string',
    value: 'address',
    help: 'address to listen on (default 0.0.0.0)',
  },
  'secure-port': {
    type: 'string',
    value: 'port',
    help: 'port to listen on (default 6443; 0: any free one)',
  },
  'advertise-address': {
    type: 'string',
    value: 'address',
    help: 'address that clients in the cluster use (default: the bind address)',
  },
  'tls-cert-file': {
    type: 'string',
    value: 'file',
    help: 'serving certificate (default: made in the data directory)',
  },
  'tls-private-key-file': { type: 'string', value: 'file', help: "the serving certificate's key" },
  'client-ca-file': {
    type: 'string',
    value: 'file',
    help: 'authorities of client certificates (default: the one in the data directory)',
  },
  'requestheader-client-ca-file': {
    type: 'string',
    value: 'file',
    help: 'authorities of front proxies',
  },
  'requestheader-allowed-names': {
    type: 'string',
    value: 'names',
    help: 'common names of front proxies, separated by commas',
  },
  'token-auth-file': {
    type: 'string',
    value: 'file',
    help: 'static tokens: token,user,uid,"group1,group2" a line',
  },
  'anonymous-auth': {
    type: 'boolean',
    help: 'serve requests without credentials as system:anonymous (default true)',
  },
  'authorization-mode': {
    type: 'string',
    value: 'modes',
    help: 'Node,RBAC (default) or AlwaysAllow',
  },
  'service-cluster-ip-range': {
    type: 'string',
    value: 'cidrs',
    help: 'one or two CIDRs for Services (default 10.96.0.0/16)',
  },
  'service-node-port-range': {
    type: 'string',
    value: 'range',
    help: 'ports for NodePorts (default 30000-32767)',
  },
  'service-account-issuer': {
    type: 'string',
    value: 'url',
    help: 'issuer of ServiceAccount tokens',
  },
  'service-account-signing-key-file': {
    type: 'string',
    value: 'file',
    help: 'key that signs them (default: made in the data directory)',
  },
  'service-account-key-file': {
    type: 'string',
    multiple: true,
    value: 'file',
    help: 'further keys whose tokens are accepted',
  },
  'api-audiences': {
    type: 'string',
    value: 'names',
    help: 'audiences of tokens (default: the issuer)',
  },
  'kubelet-client-certificate': {
    type: 'string',
    value: 'file',
    help: 'certificate towards kubelets',
  },
  'kubelet-client-key': { type: 'string', value: 'file', help: 'its key' },
  'kubelet-certificate-authority': {
    type: 'string',
    value: 'file',
    help: "authorities of kubelets' certificates",
  },
  'allow-privileged': {
    type: 'boolean',
    help: 'accepted; privileged containers are always allowed',
  },
  'event-ttl': { type: 'string', value: 'duration', help: 'how long Events are kept (default 1h)' },
  durability: {
    type: 'string',
    value: 'mode',
    help: 'fsync (default): acknowledged means on disk; none: faster, not safe against power cuts',
  },
  v: { type: 'string', value: 'level', help: 'log level; 4 and more log in detail' },
  help: { type: 'boolean', help: 'this text' },
}

export async function apiserver(args: readonly string[]): Promise<void> {
  const flags = parseFlags(args, flagSpecs)
  if (flags['help'] === true) {
    print(`Usage: signpost apiserver --data-dir <directory> [flags]\n\n${formatFlags(flagSpecs)}`)
    return
  }
  const dataDir = text(flags, 'data-dir')
  if (dataDir === undefined)
    throw new CliError('--data-dir is required: the directory where state is kept')
  const log = createLogger({ level: Number(text(flags, 'v') ?? 0) >= 4 ? 'debug' : 'info' })
  const store = await openLmdbStore({
    directory: path.join(dataDir, 'store'),
    durability: durability(flags),
  }).catch((error: Error) => {
    throw new CliError(`cannot open "${dataDir}": ${error.message}`)
  })
  const config = await configFrom(flags, dataDir)
  const deps = { store, clock: systemClock, random: systemRandom, log }
  const server = await startApiserver(config, deps).catch(async (error: NodeJS.ErrnoException) => {
    await store.close()
    if (error.code !== 'EADDRINUSE' && error.code !== 'EACCES' && error.code !== 'EADDRNOTAVAIL')
      throw error
    throw new CliError(
      `cannot listen on ${config.bindAddress}:${config.securePort} (${error.code}); choose another --secure-port`,
    )
  })
  await server.ready()
  print(
    `serving https://${config.bindAddress}:${server.port} (CA: ${path.join(dataDir, 'pki', 'ca.crt')})`,
  )
  await new Promise<void>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve())
  })
  await server.stop()
  await store.close()
  process.exit(0)
}

async function configFrom(flags: Flags, dataDir: string): Promise<ApiserverConfig> {
  const bindAddress = text(flags, 'bind-address') ?? '0.0.0.0'
  const advertiseAddress =
    text(flags, 'advertise-address') ?? (bindAddress === '0.0.0.0' ? '127.0.0.1' : bindAddress)
  const range = list(flags, 'service-cluster-ip-range') ?? ['10.96.0.0/16']
  const pki = await loadPki(
    {
      directory: path.join(dataDir, 'pki'),
      nodeName: 'localhost',
      nodeAddresses: [],
      apiserverNames: [
        'localhost',
        '127.0.0.1',
        advertiseAddress,
        'kubernetes',
        'kubernetes.default',
        'kubernetes.default.svc',
      ],
    },
    systemClock.now(),
  )
  const file = (name: string) => requireFile(flags, name, (path) => readFileSync(path, 'utf8'))
  const tokens = file('token-auth-file')
  const keyFiles = (flags['service-account-key-file'] ?? []) as readonly string[]
  return defined({
    bindAddress,
    securePort: port(flags, 'secure-port') ?? 6443,
    advertiseAddress,
    tlsCert: file('tls-cert-file') ?? pki.apiserver.cert,
    tlsPrivateKey: file('tls-private-key-file') ?? pki.apiserver.key,
    clientCA: file('client-ca-file') ?? pki.ca.cert,
    requestheaderClientCA: file('requestheader-client-ca-file'),
    requestheaderAllowedNames: list(flags, 'requestheader-allowed-names'),
    tokenAuth: tokens === undefined ? undefined : parseTokens(tokens),
    anonymousAuth: flags['anonymous-auth'] as boolean | undefined,
    authorizationMode: modes(flags),
    serviceClusterIPRange: range,
    serviceNodePortRange: portRange(flags),
    serviceAccountIssuer:
      text(flags, 'service-account-issuer') ?? 'https://kubernetes.default.svc.cluster.local',
    serviceAccountSigningKey: file('service-account-signing-key-file') ?? pki.serviceAccountKey,
    serviceAccountKeys: keyFiles.map((name) => readFileSync(name, 'utf8')),
    apiAudiences: list(flags, 'api-audiences'),
    kubeletClientCertificate: file('kubelet-client-certificate') ?? pki.apiserverKubeletClient.cert,
    kubeletClientKey: file('kubelet-client-key') ?? pki.apiserverKubeletClient.key,
    kubeletCertificateAuthority: file('kubelet-certificate-authority') ?? pki.ca.cert,
    eventTtlSeconds: duration(flags, 'event-ttl'),
  }) as unknown as ApiserverConfig
}

/** Without the entries that are undefined: absent and undefined are different things in a config. */
function defined(record: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(record).filter(([, value]) => value !== undefined))
}

const text = (flags: Flags, name: string): string | undefined => flags[name] as string | undefined

const list = (flags: Flags, name: string): string[] | undefined =>
  text(flags, name)
    ?.split(',')
    .map((item) => item.trim())

function port(flags: Flags, name: string): number | undefined {
  const value = text(flags, name)
  if (value === undefined) return undefined
  if (!/^\d{1,5}$/.test(value) || Number(value) > 65535)
    throw new CliError(`invalid argument "${value}" for "--${name}" flag: a port is 0 to 65535`)
  return Number(value)
}

function portRange(flags: Flags): { from: number; to: number } | undefined {
  const value = text(flags, 'service-node-port-range')
  if (value === undefined) return undefined
  const match = /^(\d{1,5})-(\d{1,5})$/.exec(value)
  const [from, to] = [Number(match?.[1]), Number(match?.[2])]
  if (!match || from < 1 || from > to || to > 65535) {
    throw new CliError(
      `invalid argument "${value}" for "--service-node-port-range" flag: as in 30000-32767`,
    )
  }
  return { from, to }
}

function modes(flags: Flags): readonly string[] | undefined {
  const named = list(flags, 'authorization-mode')
  for (const mode of named ?? []) {
    if (!['Node', 'RBAC', 'AlwaysAllow'].includes(mode)) {
      throw new CliError(
        `invalid argument "${mode}" for "--authorization-mode" flag: Node, RBAC and AlwaysAllow are supported`,
      )
    }
  }
  return named
}

function durability(flags: Flags): 'fsync' | 'none' {
  const mode = text(flags, 'durability') ?? 'fsync'
  if (mode !== 'fsync' && mode !== 'none')
    throw new CliError(`invalid argument "${mode}" for "--durability" flag: fsync or none`)
  return mode
}

const unitSeconds: Readonly<Record<string, number>> = { h: 3600, m: 60, s: 1 }

/** "1h30m" in seconds. */
function duration(flags: Flags, name: string): number | undefined {
  const value = text(flags, name)
  if (value === undefined) return undefined
  if (!/^(\d+[hms])+$/.test(value))
    throw new CliError(`invalid argument "${value}" for "--${name}" flag: as in 1h30m`)
  return [...value.matchAll(/(\d+)([hms])/g)].reduce(
    (sum, [, count, unit]) => sum + Number(count) * unitSeconds[unit!]!,
    0,
  )
}

function parseTokens(content: string): ReturnType<typeof parseTokenFile> {
  try {
    return parseTokenFile(content)
  } catch (error) {
    throw new CliError((error as Error).message)
  }
}
