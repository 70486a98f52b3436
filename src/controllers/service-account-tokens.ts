// Fills Secrets of type service-account-token that people make by hand, and removes those whose
// ServiceAccount is gone. No token Secret is ever made on its own.
import { createHash, createPrivateKey, createPublicKey } from 'node:crypto'
import { secrets, serviceaccounts } from '../api/resources.gen.ts'
import type { Secret, ServiceAccount } from '../api/types/core.gen.ts'
import type { Change, Controller, Snapshot } from '../client/controller.ts'
import { watching } from '../client/controller.ts'

const secretType = 'kubernetes.io/service-account-token'
const nameAnnotation = 'kubernetes.io/service-account.name'
const uidAnnotation = 'kubernetes.io/service-account.uid'

/** Signs the claims of a token that does not expire. */
export type SignToken = (claims: Readonly<Record<string, string>>) => Promise<string>

export function serviceAccountTokenController(options: {
  /** PEM */
  readonly rootCA: string
  readonly sign: SignToken
}): Controller {
  return {
    name: 'serviceaccount-token',
    component: 'token-controller',
    watches: [
      watching({
        resource: secrets,
        keys: (secret) => (isToken(secret) ? [keyOfSecret(secret)] : []),
      }),
      watching({ resource: serviceaccounts, keys: tokensOfAccount }),
    ],
    async observe(key, snapshot) {
      const secret = snapshot.of(secrets).get(key)
      const account = secret && accountOf(secret, snapshot)
      if (!account || secret?.data?.['token']) return undefined
      return options.sign(claimsOf(secret, account))
    },
    reconcile(key, snapshot, context) {
      const secret = snapshot.of(secrets).get(key)
      if (!secret || !isToken(secret) || secret.metadata.deletionTimestamp) return { changes: [] }
      const account = accountOf(secret, snapshot)
      if (!account) return { changes: [deletion(secret)] }
      const token = secret.data?.['token'] ?? encode(String(context.observed ?? ''))
      return { changes: fill(secret, { account, token, rootCA: options.rootCA }) }
    },
  }
}

const keyOfSecret = ({ metadata }: Secret): string => `${metadata.namespace}/${metadata.name}`

const isToken = (secret: Secret): boolean =>
  secret.type === secretType && Boolean(secret.metadata.annotations?.[nameAnnotation])

/** The account a Secret is for, unless it is another one of that name by now. */
function accountOf(secret: Secret, snapshot: Snapshot): ServiceAccount | undefined {
  if (!isToken(secret)) return undefined
  const { namespace, annotations } = secret.metadata
  const account = snapshot.of(serviceaccounts).get(`${namespace}/${annotations?.[nameAnnotation]}`)
  const uid = annotations?.[uidAnnotation]
  return account && (!uid || uid === account.metadata.uid) ? account : undefined
}

function tokensOfAccount(
  account: ServiceAccount,
  _old: ServiceAccount | undefined,
  snapshot: Snapshot,
): readonly string[] {
  return snapshot
    .of(secrets)
    .list(account.metadata.namespace)
    .filter(
      (secret) =>
        isToken(secret) && secret.metadata.annotations?.[nameAnnotation] === account.metadata.name,
    )
    .map(keyOfSecret)
}

const claimsOf = (secret: Secret, account: ServiceAccount): Readonly<Record<string, string>> => {
  const { namespace = '', name, uid = '' } = account.metadata
  return {
    iss: 'kubernetes/serviceaccount',
    'kubernetes.io/serviceaccount/namespace': namespace,
    'kubernetes.io/serviceaccount/secret.name': secret.metadata.name,
    'kubernetes.io/serviceaccount/service-account.name': name,
    'kubernetes.io/serviceaccount/service-account.uid': uid,
    sub: `system:serviceaccount:${namespace}:${name}`,
  }
}

const encode = (text: string): string => Buffer.from(text).toString('base64')

function deletion({ metadata: { namespace, name, uid } }: Secret): Change {
  return {
    type: 'delete',
    resource: secrets,
    key: { namespace, name },
    options: { preconditions: { uid } },
  }
}

function fill(
  secret: Secret,
  content: { readonly account: ServiceAccount; readonly token: string; readonly rootCA: string },
): readonly Change[] {
  const { namespace = '', name, uid, resourceVersion, annotations } = secret.metadata
  const data: Readonly<Record<string, string>> = {
    'ca.crt': encode(content.rootCA),
    namespace: encode(namespace),
    token: content.token,
  }
  const accountUid = content.account.metadata.uid ?? ''
  const isFilled =
    annotations?.[uidAnnotation] === accountUid &&
    Object.entries(data).every(([key, value]) => secret.data?.[key] === value)
  if (isFilled || content.token === '') return []
  const body = {
    metadata: { uid, resourceVersion, annotations: { [uidAnnotation]: accountUid } },
    data,
  }
  return [
    { type: 'patch', resource: secrets, key: { namespace, name }, patch: { type: 'merge', body } },
  ]
}

/** Signs with the key that also signs the API server's own tokens. `pem` is its private half. */
export function signerOf(pem: string): SignToken {
  const privateKey = createPrivateKey(pem)
  const der = createPublicKey(pem).export({ type: 'spki', format: 'der' })
  const kid = createHash('sha256').update(der).digest('base64url')
  const alg =
    privateKey.asymmetricKeyType === 'rsa'
      ? 'RS256'
      : ecAlgorithm(privateKey.asymmetricKeyDetails?.namedCurve)
  return async (claims) => {
    const { SignJWT } = await import('jose')
    return new SignJWT({ ...claims }).setProtectedHeader({ alg, kid }).sign(privateKey)
  }
}

const ecAlgorithm = (curve: string | undefined): string =>
  curve === 'secp384r1' ? 'ES384' : curve === 'secp521r1' ? 'ES512' : 'ES256'
