// How a cluster is reached, and the kubeconfig in its data directory that says so. Written as JSON,
// which YAML includes: the YAML library is only needed for the user's own file (kubeconfig.ts).
import * as fs from 'node:fs'
import { homedir } from 'node:os'
import * as path from 'node:path'
import type { KeyPair } from './pki.ts'

/** Where kubectl writes: the first file of $KUBECONFIG, else ~/.kube/config. */
export function kubeconfigPath(): string {
  const listed = (process.env['KUBECONFIG'] ?? '')
    .split(path.delimiter)
    .filter((entry) => entry !== '')
  return listed[0] ?? path.join(homedir(), '.kube', 'config')
}

export interface Access {
  /** Name of context, cluster and user alike. */
  readonly name: string
  readonly server: string
  readonly ca: string
  readonly admin: KeyPair
}

/** The cluster's own kubeconfig, in its data directory. */
export function privateKubeconfig(dataDir: string): {
  readonly file: string
  readonly exists: boolean
} {
  const file = path.join(dataDir, 'kubeconfig')
  return { file, exists: fs.existsSync(file) }
}

export function writePrivateKubeconfig(dataDir: string, access: Access): void {
  const { name, server, ca, admin } = access
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': name,
    clusters: [{ name, cluster: { server, 'certificate-authority-data': base64(ca) } }],
    users: [
      {
        name,
        user: {
          'client-certificate-data': base64(admin.cert),
          'client-key-data': base64(admin.key),
        },
      },
    ],
    contexts: [{ name, context: { cluster: name, user: name } }],
  }
  const { file } = privateKubeconfig(dataDir)
  fs.writeFileSync(`${file}.new`, `${JSON.stringify(config, undefined, 2)}\n`, { mode: 0o600 })
  fs.renameSync(`${file}.new`, file)
}

export const base64 = (text: string): string => Buffer.from(text).toString('base64')
