// Whether a rule of a role covers a request; and reads of rules in general.
import type { PolicyRule } from '../../api/types/rbac.gen.ts'
import { type Attributes, isPath, type ResourceAttributes } from './attributes.ts'

const has = (list: readonly string[] | undefined, value: string): boolean =>
  list !== undefined && (list.includes(value) || list.includes('*'))

export function ruleAllows(rule: PolicyRule, attributes: Attributes): boolean {
  if (!has(rule.verbs, attributes.verb)) return false
  if (isPath(attributes))
    return (rule.nonResourceURLs ?? []).some((url) => urlCovers(url, attributes.path))
  return (
    has(rule.apiGroups, attributes.group) &&
    resourcesCover(rule.resources ?? [], attributes) &&
    namesCover(rule.resourceNames ?? [], attributes.name)
  )
}

export const rulesAllow = (rules: readonly PolicyRule[], attributes: Attributes): boolean =>
  rules.some((rule) => ruleAllows(rule, attributes))

// Forms: every resource, "pods", "pods/log", or a star before the slash: that subresource of any.
function resourcesCover(
  resources: readonly string[],
  { resource, subresource }: ResourceAttributes,
): boolean {
  if (resources.includes('*')) return true
  if (subresource === '') return resources.includes(resource)
  return resources.includes(`${resource}/${subresource}`) || resources.includes(`*/${subresource}`)
}

/** No names are all names. */
const namesCover = (names: readonly string[], name: string): boolean =>
  names.length === 0 || names.includes(name)

/** Exact, "*", or a prefix with a star at its end. */
export function urlCovers(url: string, path: string): boolean {
  if (url === '*' || url === path) return true
  return url.endsWith('*') && path.startsWith(url.replace(/\*+$/, ''))
}

/** As fmt prints a rule in messages: `{APIGroups:[""], Resources:["pods"], Verbs:["get" "list"]}`. */
export function showRule(rule: PolicyRule): string {
  const parts: [string, readonly string[] | undefined][] = [
    ['APIGroups', rule.apiGroups],
    ['Resources', rule.resources],
    ['NonResourceURLs', rule.nonResourceURLs],
    ['ResourceNames', rule.resourceNames],
    ['Verbs', rule.verbs],
  ]
  const texts = parts
    .filter(([, values]) => (values ?? []).length > 0)
    .map(
      ([name, values]) =>
        `${name}:[${(values ?? []).map((value) => JSON.stringify(value)).join(' ')}]`,
    )
  return `{${texts.join(', ')}}`
}
