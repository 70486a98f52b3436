// Who asks: the first proof that holds decides, a bad one without a good one is 401, none at all is
// system:anonymous. Upstream: k8s.io/apiserver/pkg/authentication.
import { statusError } from '../api/machinery/status.ts'
import type { ApiCall } from './call.ts'
import { headerOf } from './call.ts'
import type { ApiserverConfig } from './config.ts'
import type { Stage } from './pipeline.ts'
import type { User } from './rbac/attributes.ts'
import type { TokenIssuer, TokenVerdict } from './service-account-tokens.ts'

export const anonymousUser: User = {
  name: 'system:anonymous',
  uid: '',
  groups: ['system:unauthenticated'],
  extra: {},
}

export const authenticatedGroup = 'system:authenticated'

export interface Authenticator {
  /** The user of a request; undefined when what it proves does not hold. */
  authenticate(call: ApiCall): Promise<User | undefined>
  /** A bearer token alone, for TokenReview. No audiences: the API server's own. */
  reviewToken(token: string, audiences: readonly string[]): Promise<TokenVerdict>
}

export function createAuthenticator(config: ApiserverConfig, tokens: TokenIssuer): Authenticator {
  const fixed = new Map(
    (config.tokenAuth ?? []).map(({ token, user, uid, groups }) => [
      token,
      { name: user, uid, groups, extra: {} } satisfies User,
    ]),
  )
  const apiAudiences = config.apiAudiences ?? [config.serviceAccountIssuer]

  async function reviewToken(token: string, audiences: readonly string[]): Promise<TokenVerdict> {
    const user = fixed.get(token)
    const wanted = audiences.length > 0 ? audiences : apiAudiences
    // Tokens of a file know no audience: they are for whoever the server is.
    if (user) return { ok: true, user: withGroup(user), audiences: wanted }
    const verdict = await tokens.verify(token, wanted)
    return verdict.ok ? { ...verdict, user: withGroup(verdict.user) } : verdict
  }

  async function authenticate(call: ApiCall): Promise<User | undefined> {
    if (call.user) return call.user
    const proven = fromFrontProxy(call, config) ?? fromCertificate(call)
    if (proven) return withGroup(proven)
    const token = bearerToken(call)
    if (token !== undefined) {
      const verdict = await reviewToken(token, [])
      return verdict.ok ? verdict.user : undefined
    }
    return config.anonymousAuth === false ? undefined : anonymousUser
  }

  return { authenticate, reviewToken }
}

function withGroup(user: User): User {
  const known =
    user.groups.includes(authenticatedGroup) || user.groups.includes('system:unauthenticated')
  return known ? user : { ...user, groups: [...user.groups, authenticatedGroup] }
}

function fromCertificate({ peer }: ApiCall): User | undefined {
  if (peer?.issuedBy !== 'client' || peer.commonName === '') return undefined
  return {
    name: peer.commonName,
    uid: '',
    groups: peer.organizations,
    extra: { 'authentication.kubernetes.io/credential-id': [`X509SHA256=${peer.fingerprint256}`] },
  }
}

const remoteExtra = 'x-remote-extra-'

/** A front proxy with a certificate of its own CA says who the user is. */
function fromFrontProxy(call: ApiCall, config: ApiserverConfig): User | undefined {
  const { peer, headers } = call
  if (peer?.issuedBy !== 'requestheader') return undefined
  const allowed = config.requestheaderAllowedNames ?? []
  if (allowed.length > 0 && !allowed.includes(peer.commonName)) return undefined
  const name = headerOf(headers, 'x-remote-user')
  if (!name) return undefined
  const extra: Record<string, readonly string[]> = {}
  for (const header of Object.keys(headers)) {
    if (!header.startsWith(remoteExtra)) continue
    extra[decodeKey(header.slice(remoteExtra.length))] = listOf(headers[header])
  }
  const uid = headerOf(headers, 'x-remote-uid') ?? ''
  return { name, uid, groups: listOf(headers['x-remote-group']), extra }
}

export function decodeKey(text: string): string {
  try {
    return decodeURIComponent(text).toLowerCase()
  } catch {
    return text.toLowerCase()
  }
}

/** The values of a header that may be repeated; Node joins repeats of custom ones with ", ". */
export function listOf(value: string | string[] | undefined): string[] {
  if (value === undefined) return []
  return Array.isArray(value) ? value : value.split(', ')
}

const protocolPrefix = 'base64url.bearer.authorization.k8s.io.'

/** From the Authorization header, or from a browser's WebSocket as a subprotocol. */
function bearerToken(call: ApiCall): string | undefined {
  const authorization = headerOf(call.headers, 'authorization') ?? ''
  const match = /^bearer +(\S+)/i.exec(authorization)
  if (match) return match[1]
  if (!call.upgrade) return undefined
  const protocols = (headerOf(call.headers, 'sec-websocket-protocol') ?? '').split(/, */)
  const carried = protocols.find((protocol) => protocol.startsWith(protocolPrefix))
  if (carried === undefined) return undefined
  return Buffer.from(carried.slice(protocolPrefix.length), 'base64url').toString()
}

/** The WebSocket subprotocols that are left when the credential is taken out. */
export function realProtocols(call: ApiCall): string[] {
  const protocols = (headerOf(call.headers, 'sec-websocket-protocol') ?? '').split(/, */)
  return protocols.filter((one) => one !== '' && !one.startsWith(protocolPrefix))
}

export const unauthorized = () => statusError('Unauthorized', 'Unauthorized')

export function authenticationStage(authenticator: Authenticator): Stage {
  return async (exchange) => {
    const user = await authenticator.authenticate(exchange.call)
    if (!user) throw unauthorized()
    exchange.user = user
    return undefined
  }
}
