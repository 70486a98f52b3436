// The API server's configuration: plain data, named after Kubernetes' flags.

export interface TokenRow {
  readonly token: string
  readonly user: string
  readonly uid: string
  readonly groups: readonly string[]
}

export interface ApiserverConfig {
  readonly bindAddress: string
  /** 0 takes any free port. */
  readonly securePort: number
  /** PEM. */
  readonly tlsCert: string
  readonly tlsPrivateKey: string
  /** PEM; users whose certificates it signed are who the certificate says. */
  readonly clientCA?: string
  /** PEM; signs front proxies, which say who the user is in headers. */
  readonly requestheaderClientCA?: string
  readonly requestheaderAllowedNames?: readonly string[]
  /** PEM of an RSA or EC private key; signs ServiceAccount tokens. */
  readonly serviceAccountSigningKey: string
  /** PEM public keys of earlier signing keys. */
  readonly serviceAccountKeys?: readonly string[]
  readonly serviceAccountIssuer: string
  /** Defaults to the issuer alone. */
  readonly apiAudiences?: readonly string[]
  /** The rows of a token file (CSV: token,user,uid,"group1,group2"). */
  readonly tokenAuth?: readonly TokenRow[]
  /** One or two CIDRs of different families, the default one first. */
  readonly serviceClusterIPRange: readonly string[]
  readonly serviceNodePortRange?: { readonly from: number; readonly to: number }
  /** Where Pods find the server: the address in the Endpoints of "kubernetes". */
  readonly advertiseAddress: string
  /** Port in those Endpoints; the secure port unless the listener was handed over. */
  readonly advertisePort?: number
  /** PEM; proves to kubelets who asks, and them to us. */
  readonly kubeletClientCertificate?: string
  readonly kubeletClientKey?: string
  readonly kubeletCertificateAuthority?: string
  readonly anonymousAuth?: boolean
  readonly authorizationMode?: readonly ('Node' | 'RBAC' | 'AlwaysAllow')[]
  /** 1.36 semantics; the version /version tells. */
  readonly gitVersion?: string
  readonly eventTtlSeconds?: number
  readonly maxRequestsInflight?: number
  readonly maxMutatingRequestsInflight?: number
  /** Domain of Services, for tokens' default audience and certificates. */
  readonly clusterDomain?: string
}

export const defaultNodePortRange = { from: 30000, to: 32767 }

/** Reads a token file's text; lines that do not parse throw with their number. */
export function parseTokenFile(text: string): TokenRow[] {
  const rows: TokenRow[] = []
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (line.trim() === '' || line.startsWith('#')) continue
    const [token, user, uid, groups = ''] = splitCsv(line)
    if (!token || !user || uid === undefined) {
      throw new Error(`cannot read token file: line ${index + 1} needs token,user,uid`)
    }
    const list = groups.split(',').map((group) => group.trim())
    rows.push({ token, user, uid, groups: list.filter((group) => group !== '') })
  }
  return rows
}

function splitCsv(line: string): string[] {
  const cells: string[] = []
  for (const match of line.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g)) {
    cells.push((match[1]?.replaceAll('""', '"') ?? match[2] ?? '').trim())
  }
  return cells
}
