// Reviews: questions that are answered and not stored. Their checks; answering is apiserver's.
import { invalid } from '../machinery/field-error.ts'
import type { Kind } from '../machinery/kind.ts'
import { type Errors, none } from '../machinery/validation.ts'
import {
  localsubjectaccessreviews,
  selfsubjectaccessreviews,
  selfsubjectreviews,
  selfsubjectrulesreviews,
  subjectaccessreviews,
  tokenreviews,
} from '../resources.gen.ts'
import type { SelfSubjectReview, TokenReview } from '../types/authentication.gen.ts'
import type {
  LocalSubjectAccessReview,
  SelfSubjectAccessReview,
  SelfSubjectRulesReview,
  SubjectAccessReview,
  SubjectAccessReviewSpec,
} from '../types/authorization.gen.ts'

export const subjectAccessReviewKind: Kind<SubjectAccessReview> = {
  resource: subjectaccessreviews,
  validate: ({ spec }) => [...validateSubject(spec), ...validateAttributes(spec)],
}

export const selfSubjectAccessReviewKind: Kind<SelfSubjectAccessReview> = {
  resource: selfsubjectaccessreviews,
  validate: ({ spec }) => validateAttributes(spec),
}

export const localSubjectAccessReviewKind: Kind<LocalSubjectAccessReview> = {
  resource: localsubjectaccessreviews,
  validate: validateLocal,
}

export const selfSubjectRulesReviewKind: Kind<SelfSubjectRulesReview> = {
  resource: selfsubjectrulesreviews,
}

export const selfSubjectReviewKind: Kind<SelfSubjectReview> = { resource: selfsubjectreviews }

export const tokenReviewKind: Kind<TokenReview> = { resource: tokenreviews }

type Attributes = Pick<SubjectAccessReviewSpec, 'resourceAttributes' | 'nonResourceAttributes'>

function validateSubject({ user = '', groups = [] }: SubjectAccessReviewSpec): Errors {
  return user === '' && groups.length === 0
    ? [invalid('spec.user', '', 'at least one of user or group must be specified')]
    : none
}

function validateAttributes({ resourceAttributes, nonResourceAttributes }: Attributes): Errors {
  if (resourceAttributes && nonResourceAttributes) {
    const { path = '', verb = '' } = nonResourceAttributes
    const both = 'cannot be specified in combination with resourceAttributes'
    return [invalid('spec.nonResourceAttributes', { Path: path, Verb: verb }, both)]
  }
  if (resourceAttributes || nonResourceAttributes) return none
  const one = 'exactly one of nonResourceAttributes or resourceAttributes must be specified'
  return [invalid('spec.resourceAttributes', null, one)]
}

function validateLocal({ metadata, spec }: LocalSubjectAccessReview): Errors {
  const errors = [...validateSubject(spec), ...validateAttributes(spec)]
  const namespace = spec.resourceAttributes?.namespace ?? ''
  if (!spec.resourceAttributes || namespace === (metadata.namespace ?? '')) return errors
  const field = 'spec.resourceAttributes.namespace'
  return [...errors, invalid(field, namespace, 'must match metadata.namespace')]
}
