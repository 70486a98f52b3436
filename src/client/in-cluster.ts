// Who we are and where the API is, from inside a Pod. Apart from config.ts because it needs no YAML,
// whose parser would be a good part of a small process's start.
import { readFileSync } from 'node:fs'
import * as path from 'node:path'
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
  const server = `https://${host.includes(':') ? `[${host}]` : host}:${port}`
  try {
    const token = tokenFile(path.join(directory, 'token'))
    return { server, ca: readFileSync(path.join(directory, 'ca.crt')), token, userAgent }
  } catch (error) {
    const cause = (error as Error).message
    throw new ClientConfigError(`unable to load in-cluster configuration: ${cause}`, {
      cause: error,
    })
  }
}

/** Reads the token again once it may have been rotated. */
export function tokenFile(file: string): () => string {
  let token = readFileSync(file, 'utf8').trim()
  let readAtMs = performance.now()
  return () => {
    if (performance.now() - readAtMs > tokenMaxAgeMs) {
      readAtMs = performance.now()
      token = readToken(file) ?? token
    }
    return token
  }
}

/** While a token is being replaced there may be none: the old one is good for a while yet. */
function readToken(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8').trim() || undefined
  } catch {
    return undefined
  }
}
