// Where the API is and who we are there: from a kubeconfig file, or from inside a Pod.
import { existsSync, readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import * as path from 'node:path'
import { parse } from 'yaml'
import type { TransportConfig } from './transport.ts'

/** A client cannot be configured; the message says what is wrong and where. */
export class ClientConfigError extends Error {}

const serviceAccountDir = '/var/run/secrets/kubernetes.io/serviceaccount'
/** Bound tokens are rotated in place; client-go re-reads them once a minute too. */
const tokenMaxAgeMs = 60_000

/** client-go's in-cluster config: environment, token and CA of the Pod's ServiceAccount. */
export function inClusterConfig(
  userAgent: string,
  environment: NodeJS.ProcessEnv = process.env,
  directory = serviceAccountDir,
): TransportConfig {
  const host = environment['KUBERNETES_SERVICE_HOST']
  const port = environment['KUBERNETES_SERVICE_PORT']
  if (!host || !port) {
    throw new ClientConfigError(
      'unable to load in-cluster configuration, KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT must be defined',
    )
  }
  const token = tokenFile(path.join(directory, 'token'))
  return {
    server: `https://${host.includes(':') ? `[${host}]` : host}:${port}`,
    ca: readFileSync(path.join(directory, 'ca.crt')),
    token,
    userAgent,
  }
}

function tokenFile(file: string): () => string {
  let token = readFileSync(file, 'utf8').trim()
  let readAtMs = performance.now()
  return () => {
    if (performance.now() - readAtMs > tokenMaxAgeMs) {
      token = readFileSync(file, 'utf8').trim()
      readAtMs = performance.now()
    }
    return token
  }
}

interface KubeconfigFile {
  readonly 'current-context'?: string
  readonly clusters?: readonly ({ name: string } & { cluster: ClusterEntry })[]
  readonly users?: readonly ({ name: string } & { user: UserEntry })[]
  readonly contexts?: readonly ({ name: string } & {
    context: { cluster: string; user: string; namespace?: string }
  })[]
}

interface ClusterEntry {
  readonly server?: string
  readonly 'certificate-authority'?: string
  readonly 'certificate-authority-data'?: string
  readonly 'insecure-skip-tls-verify'?: boolean
  readonly 'tls-server-name'?: string
}

interface UserEntry {
  readonly token?: string
  readonly tokenFile?: string
  readonly 'client-certificate'?: string
  readonly 'client-certificate-data'?: string
  readonly 'client-key'?: string
  readonly 'client-key-data'?: string
  readonly exec?: unknown
}

export interface KubeconfigOptions {
  readonly userAgent: string
  /** Absent: $KUBECONFIG (first existing of its list), else ~/.kube/config. */
  readonly file?: string
  readonly context?: string
}

export interface KubeconfigResult {
  readonly transport: TransportConfig
  readonly context: string
  readonly namespace: string
}

/** The context of a kubeconfig file as a TransportConfig. Throws ClientConfigError. */
export function kubeconfig(options: KubeconfigOptions): KubeconfigResult {
  const file = options.file ?? defaultKubeconfigPath()
  if (!existsSync(file))
    throw new ClientConfigError(`cannot read kubeconfig "${file}": no such file`)
  const content = parse(readFileSync(file, 'utf8')) as KubeconfigFile
  const contextName = options.context ?? content['current-context'] ?? ''
  const context = content.contexts?.find((entry) => entry.name === contextName)?.context
  if (!context) throw new ClientConfigError(`no context "${contextName}" in kubeconfig "${file}"`)
  const cluster = content.clusters?.find((entry) => entry.name === context.cluster)?.cluster
  const user = content.users?.find((entry) => entry.name === context.user)?.user ?? {}
  if (!cluster?.server)
    throw new ClientConfigError(`no cluster "${context.cluster}" in kubeconfig "${file}"`)
  if (user.exec)
    throw new ClientConfigError(
      `user "${context.user}" in kubeconfig "${file}" needs an exec plugin, which is not supported`,
    )
  const material = (data: string | undefined, name: string | undefined): Buffer | undefined => {
    if (data) return Buffer.from(data, 'base64')
    return name ? readFileSync(path.resolve(path.dirname(file), name)) : undefined
  }
  const ca = material(cluster['certificate-authority-data'], cluster['certificate-authority'])
  const cert = material(user['client-certificate-data'], user['client-certificate'])
  const key = material(user['client-key-data'], user['client-key'])
  const token = user.tokenFile
    ? tokenFile(user.tokenFile)
    : user.token
      ? () => user.token
      : undefined
  return {
    context: contextName,
    namespace: context.namespace ?? 'default',
    transport: {
      server: cluster.server,
      userAgent: options.userAgent,
      ...(ca ? { ca } : {}),
      ...(cert ? { cert } : {}),
      ...(key ? { key } : {}),
      ...(token ? { token } : {}),
      ...(cluster['insecure-skip-tls-verify'] ? { insecureSkipTLSVerify: true } : {}),
      ...(cluster['tls-server-name'] ? { serverName: cluster['tls-server-name'] } : {}),
    },
  }
}

function defaultKubeconfigPath(): string {
  const listed = (process.env['KUBECONFIG'] ?? '')
    .split(path.delimiter)
    .filter((entry) => entry !== '')
  const fallback = path.join(homedir(), '.kube', 'config')
  return listed.find((entry) => existsSync(entry)) ?? listed[0] ?? fallback
}
