// Rules of webhooks and policies: which requests they are asked about.
import type { Draft } from '../machinery/draft.ts'
import { invalid, notSupported, required } from '../machinery/field-error.ts'
import { type Errors, forEach, none, oneOf } from '../machinery/validation.ts'
import type { RuleWithOperations } from '../types/admissionregistration.gen.ts'

const operations = ['*', 'CONNECT', 'CREATE', 'DELETE', 'UPDATE']

export function defaultRule(rule: Draft<RuleWithOperations>): void {
  rule.scope ??= '*'
}

export function validateRule(rule: RuleWithOperations, field: string): Errors {
  return [
    ...validateOperations(rule.operations ?? [], `${field}.operations`),
    ...starAlone(rule.apiGroups ?? [], `${field}.apiGroups`, 'API groups'),
    ...starAlone(rule.apiVersions ?? [], `${field}.apiVersions`, 'API versions'),
    ...validateResources(rule.resources ?? [], `${field}.resources`),
    ...oneOf(rule.scope, `${field}.scope`, ['*', 'Cluster', 'Namespaced']),
  ]
}

function validateOperations(list: readonly string[], field: string): Errors {
  if (list.length === 0) return [required(field)]
  return [
    ...(list.length > 1 && list.includes('*')
      ? [invalid(field, list, "if '*' is present, must not specify other operations")]
      : none),
    ...forEach(list, field, (operation, at) =>
      operations.includes(operation) ? none : [notSupported(at, operation, operations)],
    ),
  ]
}

function starAlone(list: readonly string[], field: string, noun: string): Errors {
  if (list.length === 0) return [required(field)]
  return list.length > 1 && list.includes('*')
    ? [invalid(field, list, `if '*' is present, must not specify other ${noun}`)]
    : none
}

/** "*" is every resource, "a/*" every subresource of a, "*\/b" that one of all. */
function validateResources(list: readonly string[], field: string): Errors {
  if (list.length === 0) return [required(field)]
  if (list.length > 1 && list.includes('*/*')) {
    return [invalid(field, list, "if '*/*' is present, must not specify other resources")]
  }
  const plainStar = list.includes('*') && list.some((item) => item !== '*' && !item.includes('/'))
  const wide = new Set(list.filter((item) => item.endsWith('/*')).map((item) => item.split('/')[0]))
  return [
    ...forEach(list, field, (item, at) => {
      const [resource = '', subresource] = item.split('/')
      if (resource === '') return [required(at)]
      return subresource !== undefined && subresource !== '*' && wide.has(resource)
        ? [invalid(at, item, `if '${resource}/*' is present, must not specify ${item}`)]
        : none
    }),
    ...(plainStar
      ? [
          invalid(
            field,
            list,
            "if '*' is present, must not specify other resources without subresources",
          ),
        ]
      : none),
  ]
}
