// Resources that are questions: who am I, may they, is this token good. Answered, never stored.

import { trackUpdate } from '../api/apply/update.ts'
import type { FieldError } from '../api/machinery/field-error.ts'
import { invalid } from '../api/machinery/field-error.ts'
import type { KubeObject } from '../api/machinery/resource.ts'
import { badRequestError, invalidError } from '../api/machinery/status.ts'
import type { TokenReview } from '../api/types/authentication.gen.ts'
import type {
  NonResourceAttributes,
  ResourceAttributes,
  SelfSubjectRulesReview,
  SubjectAccessReview,
} from '../api/types/authorization.gen.ts'
import { formatTime } from '../lib/clock.ts'
import type { Authenticator } from './authentication.ts'
import type { Answer } from './call.ts'
import { methodNotAllowed } from './not-found.ts'
import type { Attributes, Authorizer, User } from './rbac/attributes.ts'
import type { Rbac } from './rbac/authorizer.ts'
import { reviewRules } from './rbac/rules-review.ts'
import type { ObjectRequest, RegistryDeps } from './registry.ts'
import { readObject, writeOptions } from './registry.ts'
import type { SpecialHandler } from './router.ts'
import { kindAnswer } from './subresources/body.ts'
import { trackingOf, writtenOut } from './tracking.ts'

export interface ReviewDeps {
  readonly registry: RegistryDeps
  readonly authorize: Authorizer
  readonly rbac: Rbac
  readonly authenticator: Authenticator
}

interface Review<T> {
  readonly body: T
  readonly user: User
}

export function reviewHandlers(deps: ReviewDeps): Record<string, SpecialHandler> {
  const authorization = 'authorization.k8s.io'
  const authentication = 'authentication.k8s.io'
  const access = (self: boolean) =>
    postOf(deps, (request, review: Review<SubjectAccessReview>) =>
      accessReview(deps, request, { ...review, self }),
    )
  return {
    [`${authorization} subjectaccessreviews`]: access(false),
    [`${authorization} localsubjectaccessreviews`]: access(false),
    [`${authorization} selfsubjectaccessreviews`]: access(true),
    [`${authorization} selfsubjectrulesreviews`]: postOf(
      deps,
      (_request, review: Review<SelfSubjectRulesReview>) => rulesReview(deps, review),
    ),
    [`${authentication} selfsubjectreviews`]: postOf(deps, (_request, review) =>
      selfReview(deps, review),
    ),
    [`${authentication} tokenreviews`]: postOf(deps, (request, review: Review<TokenReview>) =>
      tokenReview(deps, request, review),
    ),
  }
}

type Answered = Readonly<Record<string, unknown>>

function postOf<T>(
  deps: ReviewDeps,
  review: (request: ObjectRequest, review: Review<T>) => Answered | Promise<Answered>,
): SpecialHandler {
  return async (request): Promise<Answer> => {
    const { exchange, served } = request
    if (exchange.info.verb !== 'create') throw methodNotAllowed()
    const options = writeOptions('CreateOptions', request)
    const object = await readObject(request, options)
    const body = withOwners(deps, request, object)
    const answered = await review(request, { body: body as T, user: exchange.user })
    const type = { kind: served.resource.kind, apiVersion: served.apiVersion }
    return kindAnswer(request, 201, { ...body, ...type, ...answered } as never)
  }
}

/** Even a question records who asked it: upstream tracks every POST. */
function withOwners(deps: ReviewDeps, request: ObjectRequest, object: KubeObject): KubeObject {
  const { served, exchange } = request
  const options = writeOptions('CreateOptions', request)
  const tracking = trackingOf(served, {
    manager: options.fieldManager,
    subresource: '',
    nowMs: deps.registry.clock.now(),
  })
  const managedFields = trackUpdate(undefined, writtenOut(served, object) as KubeObject, tracking)
  const namespace = served.resource.namespaced ? exchange.info.namespace : undefined
  const metadata = { ...object.metadata, managedFields, ...(namespace ? { namespace } : {}) }
  return { ...object, metadata }
}

function selfReview(deps: ReviewDeps, { user }: Review<unknown>): Answered {
  const { name, uid, groups, extra } = user
  const userInfo = {
    username: name,
    ...(uid === '' ? {} : { uid }),
    groups,
    ...(Object.keys(extra).length > 0 ? { extra } : {}),
  }
  const creationTimestamp = formatTime(deps.registry.clock.now())
  return { metadata: { creationTimestamp }, status: { userInfo } }
}

async function tokenReview(
  deps: ReviewDeps,
  _request: ObjectRequest,
  { body }: Review<TokenReview>,
): Promise<Answered> {
  const { token = '', audiences = [] } = body.spec ?? {}
  if (token === '') throw badRequestError('token is required for TokenReview in authentication')
  const verdict = await deps.authenticator.reviewToken(token, audiences)
  if (!verdict.ok) {
    const bad = 'invalid bearer token'
    const error = verdict.reason === undefined ? bad : `[${bad}, ${verdict.reason}]`
    return { status: { user: {}, error } }
  }
  const { name, uid, groups, extra } = verdict.user
  const user = {
    username: name,
    ...(uid === '' ? {} : { uid }),
    groups,
    ...(Object.keys(extra).length > 0 ? { extra } : {}),
  }
  return { status: { authenticated: true, user, audiences: verdict.audiences } }
}

function rulesReview(deps: ReviewDeps, { body, user }: Review<SelfSubjectRulesReview>): Answered {
  const namespace = body.spec?.namespace ?? ''
  if (namespace === '') throw badRequestError('no namespace on request')
  return { metadata: {}, spec: {}, status: reviewRules(deps.rbac, user, namespace) }
}

interface AccessReview extends Review<SubjectAccessReview> {
  readonly self: boolean
}

function accessReview(
  deps: ReviewDeps,
  { exchange, served }: ObjectRequest,
  { body, user, self }: AccessReview,
): Answered {
  const { spec } = body
  const local =
    served.resource.plural === 'localsubjectaccessreviews' ? exchange.info.namespace : ''
  const errors = accessErrors(body, { self, local })
  // Upstream names no kind in these errors.
  if (errors.length > 0) throw invalidError({ group: 'authorization.k8s.io', kind: '' }, '', errors)
  const subject = self ? user : subjectOf(spec)
  const decision = deps.authorize(attributesOf(subject, spec))
  return {
    status: {
      allowed: decision.verdict === 'allow',
      ...(decision.verdict === 'deny' ? { denied: true } : {}),
      ...(decision.reason === '' ? {} : { reason: decision.reason }),
      ...(decision.error === '' ? {} : { evaluationError: decision.error }),
    },
  }
}

type Spec = SubjectAccessReview['spec']

function accessErrors(
  { spec }: SubjectAccessReview,
  { self, local }: { readonly self: boolean; readonly local: string },
): FieldError[] {
  const errors: FieldError[] = []
  const { resourceAttributes: resource, nonResourceAttributes: path } = spec
  if (resource && path) {
    const shown = { Path: path.path ?? '', Verb: path.verb ?? '' }
    const detail = 'cannot be specified in combination with resourceAttributes'
    errors.push(invalid('spec.nonResourceAttributes', shown, detail))
  }
  if (!resource && !path) {
    const detail = 'exactly one of nonResourceAttributes or resourceAttributes must be specified'
    errors.push(invalid('spec.resourceAttributes', null, detail))
  }
  if (!self && !spec.user && (spec.groups ?? []).length === 0) {
    errors.push(
      invalid('spec.user', spec.user ?? '', 'at least one of user or group must be specified'),
    )
  }
  if (local !== '' && resource && resource.namespace !== local) {
    const field = 'spec.resourceAttributes.namespace'
    errors.push(invalid(field, resource.namespace ?? '', 'must match metadata.namespace'))
  }
  return errors
}

function subjectOf({ user = '', groups = [], uid = '', extra = {} }: Spec): User {
  const copied: Record<string, readonly string[]> = {}
  for (const [key, values] of Object.entries(extra)) copied[key.toLowerCase()] = values ?? []
  return { name: user, groups, uid, extra: copied }
}

function attributesOf(user: User, spec: Spec): Attributes {
  const { resourceAttributes, nonResourceAttributes } = spec
  if (resourceAttributes) return resourceAttributesOf(user, resourceAttributes)
  const { path = '', verb = '' }: NonResourceAttributes = nonResourceAttributes ?? {}
  return { user, path, verb }
}

function resourceAttributesOf(user: User, attributes: ResourceAttributes): Attributes {
  const { namespace = '', verb = '', group = '', version = '' } = attributes
  const { resource = '', subresource = '', name = '' } = attributes
  return { user, namespace, verb, group, version, resource, subresource, name }
}
