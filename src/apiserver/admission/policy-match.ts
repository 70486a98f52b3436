// Which requests a policy or a binding is about: rules, and selectors of namespace and object.
import { selectorFromLabelSelector } from '../../api/machinery/labels.ts'
import { namespaces } from '../../api/resources.gen.ts'
import type {
  MatchResources,
  NamedRuleWithOperations,
} from '../../api/types/admissionregistration.gen.ts'
import type { AdmissionContext, AdmissionRequest } from './request.ts'

/** Nothing set matches everything. */
export function matchesResources(
  match: MatchResources | undefined,
  request: AdmissionRequest,
  context: AdmissionContext,
): boolean {
  if (!match) return true
  const { resourceRules = [], excludeResourceRules = [] } = match
  if (excludeResourceRules.some((rule) => matchesRule(rule, request))) return false
  if (resourceRules.length > 0 && !resourceRules.some((rule) => matchesRule(rule, request))) {
    return false
  }
  return matchesNamespace(match, request, context) && matchesObject(match, request)
}

const has = (list: readonly string[] | undefined, value: string): boolean =>
  (list ?? []).some((one) => one === '*' || one === value)

function matchesRule(rule: NamedRuleWithOperations, request: AdmissionRequest): boolean {
  const { operation, resource, subresource, name } = request
  const { operations, apiGroups, apiVersions, resources, resourceNames = [], scope = '*' } = rule
  const own = resource.group === '' && resource.plural === 'namespaces'
  const namespaced = resource.namespaced && !own
  if (scope === 'Namespaced' && !namespaced) return false
  if (scope === 'Cluster' && namespaced) return false
  if (resourceNames.length > 0 && !resourceNames.includes(name)) return false
  return (
    has(operations, operation) &&
    has(apiGroups, resource.group) &&
    has(apiVersions, resource.version) &&
    (resources ?? []).some((pattern) => matchesPattern(pattern, resource.plural, subresource))
  )
}

/** "pods", "pods/status", "pods/*", "*", and both as "*" on either side of the slash. */
function matchesPattern(pattern: string, plural: string, subresource: string): boolean {
  const [resource = '', sub = ''] = pattern.split('/')
  const subMatches = pattern.includes('/') ? sub === '*' || sub === subresource : subresource === ''
  return (resource === '*' || resource === plural) && subMatches
}

function matchesNamespace(
  { namespaceSelector }: MatchResources,
  { resource, namespace, object, old }: AdmissionRequest,
  { reader }: AdmissionContext,
): boolean {
  if (!namespaceSelector || isEverything(namespaceSelector)) return true
  const own = resource.group === '' && resource.plural === 'namespaces'
  if (!own && !resource.namespaced) return true
  const stored = reader(namespaces).get(namespace)
  const labels = own ? (object ?? old)?.metadata.labels : stored?.metadata.labels
  return selectorFromLabelSelector(namespaceSelector).matches(labels ?? {})
}

const isEverything = (selector: MatchResources['objectSelector']): boolean =>
  Object.keys(selector?.matchLabels ?? {}).length === 0 &&
  (selector?.matchExpressions ?? []).length === 0

/** Either the new object or the old one. */
function matchesObject(
  { objectSelector }: MatchResources,
  { object, old }: AdmissionRequest,
): boolean {
  if (!objectSelector || isEverything(objectSelector)) return true
  const selector = selectorFromLabelSelector(objectSelector)
  return [object, old].some((one) => one && selector.matches(one.metadata.labels ?? {}))
}
