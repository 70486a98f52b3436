// TokenRequest, and the documents by which others verify the tokens.
import { emptySet } from '../../api/apply/field-set.ts'
import { atomOfStruct, emptyOfStruct } from '../../api/apply/table-atoms.ts'
import { trackUpdate } from '../../api/apply/update.ts'
import { invalid } from '../../api/machinery/field-error.ts'
import type { KubeObject } from '../../api/machinery/resource.ts'
import {
  badRequestError,
  conflictError,
  invalidError,
  notFoundError,
} from '../../api/machinery/status.ts'
import { wireValue } from '../../api/schema/encode.ts'
import type { TokenRequest } from '../../api/types/authentication.gen.ts'
import { formatTime } from '../../lib/clock.ts'
import type { Answer } from '../call.ts'
import type { ApiserverConfig } from '../config.ts'
import type { ObjectRequest, RegistryDeps } from '../registry.ts'
import { findEntry, writeOptions } from '../registry.ts'
import type { RouterDeps, SpecialHandler } from '../router.ts'
import type { TokenIssuer, TokenSubject } from '../service-account-tokens.ts'
import { kindAnswer, readKind } from './body.ts'

export interface TokenHandlerDeps {
  readonly registry: RegistryDeps
  readonly config: ApiserverConfig
  readonly tokens: TokenIssuer
}

const type = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest' }
const tokenStruct = 'authentication.v1.TokenRequest'
const defaultSeconds = 3600
const minSeconds = 600
const maxSeconds = 2 ** 32
/** What kubelets ask for; such tokens last a year, for programs that never read theirs again. */
const warnAfterSeconds = 3607
const extendedSeconds = 365 * 24 * 3600

export function tokenHandler(deps: TokenHandlerDeps): SpecialHandler {
  return async (request) => {
    const options = writeOptions('CreateOptions', request)
    const body = await readKind<TokenRequest>(request, type, options)
    const { spec } = body
    const seconds = spec.expirationSeconds ?? defaultSeconds
    const given = spec.audiences ?? []
    const own = deps.config.apiAudiences ?? [deps.config.serviceAccountIssuer]
    const audiences = given.length > 0 ? given : own
    const account = await findEntry(deps.registry, request)
    refuseBadLifetime(seconds)
    const subject = boundSubject(deps, request, { account: account.object, body })
    const extended = seconds === warnAfterSeconds && given.length === 0 && subject.pod
    const lifetime = extended ? extendedSeconds : seconds
    const token = await deps.tokens.issue(subject, audiences, lifetime)
    const nowMs = deps.registry.clock.now()
    const { name, namespace, uid } = account.object.metadata
    const managedFields = ownersOf(body, { manager: options.fieldManager, nowMs })
    return kindAnswer(request, 201, {
      ...type,
      metadata: { name, namespace, uid, creationTimestamp: formatTime(nowMs), managedFields },
      spec: { audiences, expirationSeconds: seconds, boundObjectRef: spec.boundObjectRef ?? null },
      status: { token, expirationTimestamp: formatTime(nowMs + seconds * 1000) },
    } as never)
  }
}

/** Upstream tracks even what is never stored. */
function ownersOf(body: TokenRequest, writer: { manager: string; nowMs: number }) {
  const spec = { expirationSeconds: defaultSeconds, ...body.spec }
  const next = wireValue(tokenStruct, { ...body, ...type, spec }) as unknown as KubeObject
  return trackUpdate(undefined, next, {
    atom: atomOfStruct(tokenStruct),
    empty: emptyOfStruct(tokenStruct),
    group: 'authentication.k8s.io',
    version: 'v1',
    kind: 'TokenRequest',
    subresource: 'token',
    reset: emptySet,
    ...writer,
  })
}

function refuseBadLifetime(seconds: number): void {
  const field = 'spec.expirationSeconds'
  const detail =
    seconds < minSeconds
      ? 'may not specify a duration less than 10 minutes'
      : seconds > maxSeconds
        ? 'may not specify a duration larger than 2^32 seconds'
        : undefined
  if (detail === undefined) return
  const kind = { group: 'authentication.k8s.io', kind: 'TokenRequest' }
  throw invalidError(kind, '', [invalid(field, seconds, detail)])
}

interface Asked {
  readonly account: KubeObject
  readonly body: TokenRequest
}

/** What the token is bound to; throws when it is not there, or is another one by now. */
function boundSubject(
  { registry }: TokenHandlerDeps,
  { namespace }: ObjectRequest,
  { account, body }: Asked,
): TokenSubject {
  const { name, uid = '' } = account.metadata
  const subject: TokenSubject = { namespace, serviceAccount: { name, uid } }
  const reference = body.spec.boundObjectRef
  if (!reference) return subject
  const { kind = '', apiVersion = '', uid: wantedUid } = reference
  const wanted = reference.name ?? ''
  const plural = apiVersion === 'v1' ? pluralOf[kind] : undefined
  if (plural === undefined) {
    const shown = apiVersion.includes('/') ? apiVersion : `/${apiVersion}`
    throw badRequestError(`cannot bind token to object of type ${shown}, Kind=${kind}`)
  }
  const { cache, resource } = registry.servedOf({ group: '', plural })
  const key = plural === 'nodes' ? wanted : `${namespace}/${wanted}`
  const object = cache.get(key)?.object
  if (!object) throw notFoundError(resource, wanted)
  if (wantedUid && wantedUid !== object.metadata.uid) {
    const cause = `the UID in the bound object reference (${wantedUid}) does not match the UID in record. The object might have been deleted and then recreated`
    throw conflictError(resource, wanted, cause)
  }
  const bound = { name: wanted, uid: object.metadata.uid ?? '' }
  if (plural === 'secrets') return { ...subject, secret: bound }
  if (plural === 'nodes') return { ...subject, node: bound }
  return { ...subject, pod: bound, ...nodeOf(registry, object, name) }
}

const pluralOf: Readonly<Record<string, 'pods' | 'secrets' | 'nodes'>> = {
  Pod: 'pods',
  Secret: 'secrets',
  Node: 'nodes',
}

function nodeOf(
  registry: RegistryDeps,
  pod: KubeObject,
  account: string,
): Pick<TokenSubject, 'node'> {
  const spec = (pod as { spec?: { nodeName?: string; serviceAccountName?: string } }).spec
  if (spec?.serviceAccountName !== account) {
    throw badRequestError(
      `cannot bind token for serviceaccount "${account}" to pod running with different serviceaccount name.`,
    )
  }
  if (!spec.nodeName) return {}
  const node = registry.servedOf({ group: '', plural: 'nodes' }).cache.get(spec.nodeName)
  return { node: { name: spec.nodeName, uid: node?.object.metadata.uid ?? '' } }
}

/** OIDC discovery of the issuer and its keys. */
export function keyPaths({ tokens }: Pick<TokenHandlerDeps, 'tokens'>): RouterDeps['paths'] {
  const json = (contentType: string, value: object): Answer => ({
    code: 200,
    headers: { 'content-type': contentType, 'cache-control': 'public, max-age=3600' },
    body: [Buffer.from(JSON.stringify(value))],
  })
  return {
    '/.well-known/openid-configuration': () =>
      json('application/json', {
        issuer: tokens.issuer,
        jwks_uri: `${tokens.issuer}/openid/v1/jwks`,
        response_types_supported: ['id_token'],
        subject_types_supported: ['public'],
        id_token_signing_alg_values_supported: [tokens.algorithm],
      }),
    '/openid/v1/jwks': async () => json('application/jwk-set+json', await tokens.jwks()),
  }
}
