// Tokens of ServiceAccounts: signs them (TokenRequest) and says whether one still holds, which
// depends on the objects it is bound to. The cryptography is jose's, loaded when first needed.
import type { KeyObject } from 'node:crypto'
import { createHash, createPrivateKey, createPublicKey } from 'node:crypto'
import type { KubeObject } from '../api/machinery/resource.ts'
import type { Clock } from '../lib/clock.ts'
import type { Random } from '../lib/random.ts'
import { uuid } from '../lib/random.ts'
import type { Reader } from './admission/request.ts'
import type { ApiserverConfig } from './config.ts'
import type { User } from './rbac/attributes.ts'

export type TokenVerdict =
  | { readonly ok: true; readonly user: User; readonly audiences: readonly string[] }
  /** `reason` undefined: the token is none of ours. */
  | { readonly ok: false; readonly reason?: string }

interface Reference {
  readonly name: string
  readonly uid: string
}

export interface TokenSubject {
  readonly namespace: string
  readonly serviceAccount: Reference
  readonly pod?: Reference | undefined
  readonly secret?: Reference | undefined
  readonly node?: Reference | undefined
}

export interface TokenIssuer {
  /** Claims as upstream's pkg/serviceaccount/claims.go writes them. */
  issue(
    subject: TokenSubject,
    audiences: readonly string[],
    lifetimeSeconds: number,
  ): Promise<string>
  verify(token: string, audiences: readonly string[]): Promise<TokenVerdict>
  jwks(): Promise<object>
  readonly issuer: string
  readonly algorithm: string
}

export interface TokenDeps {
  readonly clock: Clock
  readonly random: Random
  /** Live objects by plural: what tokens are bound to. */
  reader(plural: 'serviceaccounts' | 'pods' | 'secrets' | 'nodes'): Reader<KubeObject>
}

/** A token outlives what it is bound to by so much, for the Pod's last words. */
const deletionLeewaySeconds = 60
const maxKnownTokens = 2000

interface Claims {
  readonly aud: readonly string[]
  readonly sub: string
  readonly exp: number
  readonly jti?: string
  readonly subject: TokenSubject
}

export function createTokenIssuer(config: ApiserverConfig, deps: TokenDeps): TokenIssuer {
  return new Issuer(config, deps)
}

class Issuer implements TokenIssuer {
  readonly issuer: string
  readonly algorithm: string
  readonly #deps: TokenDeps
  readonly #privateKey: KeyObject
  readonly #publicKeys: readonly KeyObject[]
  readonly #keysById: ReadonlyMap<string, KeyObject>
  /** Checking a signature costs far more than checking what the token is bound to. */
  readonly #known = new Map<string, Claims>()

  constructor(config: ApiserverConfig, deps: TokenDeps) {
    this.#deps = deps
    this.#privateKey = createPrivateKey(config.serviceAccountSigningKey)
    this.issuer = config.serviceAccountIssuer
    this.algorithm = algorithmOf(this.#privateKey)
    const pems = [config.serviceAccountSigningKey, ...(config.serviceAccountKeys ?? [])]
    this.#publicKeys = pems.map((pem) => createPublicKey(pem))
    this.#keysById = new Map(this.#publicKeys.map((key) => [keyId(key), key]))
  }

  async issue(
    subject: TokenSubject,
    audiences: readonly string[],
    lifetimeSeconds: number,
  ): Promise<string> {
    const { SignJWT } = await import('jose')
    const now = Math.floor(this.#deps.clock.now() / 1000)
    const { namespace, serviceAccount, node, pod, secret } = subject
    const bound = {
      ...(node ? { node } : {}),
      ...(pod ? { pod } : {}),
      ...(secret ? { secret } : {}),
    }
    const claims = { 'kubernetes.io': { namespace, ...bound, serviceaccount: serviceAccount } }
    return new SignJWT(claims)
      .setProtectedHeader({ alg: this.algorithm, kid: keyId(this.#publicKeys[0]!) })
      .setAudience([...audiences])
      .setExpirationTime(now + lifetimeSeconds)
      .setIssuedAt(now)
      .setIssuer(this.issuer)
      .setJti(uuid(this.#deps.random))
      .setNotBefore(now)
      .setSubject(`system:serviceaccount:${namespace}:${serviceAccount.name}`)
      .sign(this.#privateKey)
  }

  async verify(token: string, audiences: readonly string[]): Promise<TokenVerdict> {
    if (!issuedBy(token, this.issuer)) return { ok: false }
    const claims = await this.#claimsOf(token)
    if (!claims) return { ok: false }
    if (claims.exp * 1000 < this.#deps.clock.now()) {
      this.#known.delete(token)
      return { ok: false, reason: 'service account token has expired' }
    }
    const shared = claims.aud.filter((audience) => audiences.includes(audience))
    if (shared.length === 0) {
      const reason = `token audiences ${goList(claims.aud)} is invalid for the target audiences ${goList(audiences)}`
      return { ok: false, reason }
    }
    const problem = boundProblem(claims.subject, this.#deps)
    if (problem !== undefined) return { ok: false, reason: problem }
    return { ok: true, user: userOf(claims), audiences: shared }
  }

  async jwks(): Promise<object> {
    const { exportJWK } = await import('jose')
    const keys = await Promise.all(
      this.#publicKeys.map(async (key) => {
        const { kty, n, e, crv, x, y } = await exportJWK(key)
        const material = kty === 'RSA' ? { n, e } : { crv, x, y }
        return { use: 'sig', kty, kid: keyId(key), alg: algorithmOf(key), ...material }
      }),
    )
    return { keys }
  }

  async #claimsOf(token: string): Promise<Claims | undefined> {
    const cached = this.#known.get(token)
    if (cached) return cached
    const { jwtVerify } = await import('jose')
    try {
      const find = ({ kid }: { kid?: string }) =>
        this.#keysById.get(kid ?? '') ?? this.#publicKeys[0]!
      const currentDate = new Date(this.#deps.clock.now())
      const { payload } = await jwtVerify(token, find, { issuer: this.issuer, currentDate })
      const claims = readClaims(payload as Readonly<Record<string, unknown>>)
      if (claims && this.#known.size >= maxKnownTokens) this.#known.clear()
      if (claims) this.#known.set(token, claims)
      return claims
    } catch {
      return undefined
    }
  }
}

const goList = (items: readonly string[]) =>
  `[${items.map((item) => JSON.stringify(item)).join(' ')}]`

/** Upstream's key id: SHA-256 of the public key's DER form. */
function keyId(key: KeyObject): string {
  const der = key.export({ type: 'spki', format: 'der' })
  return createHash('sha256').update(der).digest('base64url')
}

function algorithmOf(key: KeyObject): string {
  if (key.asymmetricKeyType === 'rsa') return 'RS256'
  const curve = key.asymmetricKeyDetails?.namedCurve
  return curve === 'secp384r1' ? 'ES384' : curve === 'secp521r1' ? 'ES512' : 'ES256'
}

/** Whether an unverified token claims this issuer: others are for other authenticators. */
function issuedBy(token: string, issuer: string): boolean {
  const [, payload] = token.split('.')
  if (payload === undefined) return false
  try {
    return JSON.parse(Buffer.from(payload, 'base64url').toString()).iss === issuer
  } catch {
    return false
  }
}

function readClaims(payload: Readonly<Record<string, unknown>>): Claims | undefined {
  const bound = payload['kubernetes.io'] as
    | (Omit<TokenSubject, 'serviceAccount'> & { readonly serviceaccount?: Reference })
    | undefined
  const { aud, sub, exp, jti } = payload
  if (!bound?.namespace || !bound.serviceaccount || typeof sub !== 'string') return undefined
  if (typeof exp !== 'number') return undefined
  const audiences = Array.isArray(aud) ? aud.map(String) : [String(aud)]
  const { namespace, pod, secret, node, serviceaccount } = bound
  const subject = { namespace, serviceAccount: serviceaccount, pod, secret, node }
  return { aud: audiences, sub, exp, subject, ...(typeof jti === 'string' ? { jti } : {}) }
}

/** Why a token no longer holds; undefined when it does. */
function boundProblem(subject: TokenSubject, deps: TokenDeps): string | undefined {
  const { namespace } = subject
  const checks = [
    ['serviceaccounts', 'service account', subject.serviceAccount],
    ['pods', 'pod', subject.pod],
    ['secrets', 'secret', subject.secret],
    // A token bound to a Pod names its node only as a fact.
    ['nodes', 'node', subject.pod ? undefined : subject.node],
  ] as const
  for (const [plural, word, reference] of checks) {
    if (!reference) continue
    const key = plural === 'nodes' ? reference.name : `${namespace}/${reference.name}`
    const object = deps.reader(plural).get(key)
    if (!object) return `${word} ${key} has been deleted`
    if (object.metadata.uid !== reference.uid)
      return `${word} UID (${object.metadata.uid}) does not match claim (${reference.uid})`
    const deletedAt = object.metadata.deletionTimestamp
    if (deletedAt && Date.parse(deletedAt) + deletionLeewaySeconds * 1000 < deps.clock.now()) {
      return `${word} ${key} has been deleted`
    }
  }
  return undefined
}

function userOf({ subject, jti }: Claims): User {
  const { namespace, serviceAccount, pod, node } = subject
  const prefix = 'authentication.kubernetes.io'
  const extra: Record<string, readonly string[]> = {}
  if (jti !== undefined) extra[`${prefix}/credential-id`] = [`JTI=${jti}`]
  if (node) {
    extra[`${prefix}/node-name`] = [node.name]
    if (node.uid) extra[`${prefix}/node-uid`] = [node.uid]
  }
  if (pod) {
    extra[`${prefix}/pod-name`] = [pod.name]
    extra[`${prefix}/pod-uid`] = [pod.uid]
  }
  return {
    name: `system:serviceaccount:${namespace}:${serviceAccount.name}`,
    uid: serviceAccount.uid,
    groups: ['system:serviceaccounts', `system:serviceaccounts:${namespace}`],
    extra,
  }
}
