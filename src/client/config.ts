// Where the API is and who we are there, from a kubeconfig file.
import { existsSync, readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import * as path from 'node:path'
import { parse } from 'yaml'
import { ClientConfigError, tokenFile } from './in-cluster.ts'
import type { TransportConfig } from './transport.ts'

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
  const content =
    readable(file, () => parse(readFileSync(file, 'utf8')) as KubeconfigFile | null) ?? {}
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
    if (!name) return undefined
    return readable(file, () => readFileSync(path.resolve(path.dirname(file), name)))
  }
  const ca = material(cluster['certificate-authority-data'], cluster['certificate-authority'])
  const cert = material(user['client-certificate-data'], user['client-certificate'])
  const key = material(user['client-key-data'], user['client-key'])
  const token = user.tokenFile
    ? readable(file, () => tokenFile(path.resolve(path.dirname(file), user.tokenFile ?? '')))
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

/** What reading threw, said of the file that wanted it read. */
function readable<T>(file: string, read: () => T): T {
  try {
    return read()
  } catch (error) {
    const cause = (error as Error).message.split('\n')[0]
    throw new ClientConfigError(`cannot read kubeconfig "${file}": ${cause}`, { cause: error })
  }
}

function defaultKubeconfigPath(): string {
  const listed = (process.env['KUBECONFIG'] ?? '')
    .split(path.delimiter)
    .filter((entry) => entry !== '')
  const fallback = path.join(homedir(), '.kube', 'config')
  return listed.find((entry) => existsSync(entry)) ?? listed[0] ?? fallback
}
