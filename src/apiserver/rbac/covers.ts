// Whether rules one holds cover rules one wants to give away (upstream: component-helpers,
// auth/rbac/validation).
import type { PolicyRule } from '../../api/types/rbac.gen.ts'
import { urlCovers } from './rules.ts'

/** Parts of `wanted` that no held rule covers, each of one group, resource, name or URL. */
export function uncovered(
  held: readonly PolicyRule[],
  wanted: readonly PolicyRule[],
): readonly PolicyRule[] {
  return wanted.flatMap(breakDown).filter((part) => !held.some((rule) => covers(rule, part)))
}

/** A rule as rules of a single group, resource, resource name, verb or URL. */
function breakDown(rule: PolicyRule): PolicyRule[] {
  const parts: PolicyRule[] = []
  const names = rule.resourceNames ?? []
  for (const group of rule.apiGroups ?? []) {
    for (const resource of rule.resources ?? []) {
      for (const verb of rule.verbs) {
        const part = { apiGroups: [group], resources: [resource], verbs: [verb] }
        if (names.length === 0) parts.push(part)
        else for (const name of names) parts.push({ ...part, resourceNames: [name] })
      }
    }
  }
  for (const url of rule.nonResourceURLs ?? []) {
    for (const verb of rule.verbs) parts.push({ nonResourceURLs: [url], verbs: [verb] })
  }
  return parts
}

const hasAll = (held: readonly string[], wanted: readonly string[]): boolean =>
  held.includes('*') || wanted.every((item) => held.includes(item))

function covers(held: PolicyRule, wanted: PolicyRule): boolean {
  const urls = held.nonResourceURLs ?? []
  return (
    hasAll(held.verbs, wanted.verbs) &&
    hasAll(held.apiGroups ?? [], wanted.apiGroups ?? []) &&
    resourcesCover(held.resources ?? [], wanted.resources ?? []) &&
    namesCover(held.resourceNames ?? [], wanted.resourceNames ?? []) &&
    (wanted.nonResourceURLs ?? []).every((url) => urls.some((own) => urlCovers(own, url)))
  )
}

function resourcesCover(held: readonly string[], wanted: readonly string[]): boolean {
  if (hasAll(held, wanted)) return true
  return wanted.every((resource) => {
    const slash = resource.indexOf('/')
    return held.includes(resource) || (slash !== -1 && held.includes(`*${resource.slice(slash)}`))
  })
}

/** No names are all names. */
function namesCover(held: readonly string[], wanted: readonly string[]): boolean {
  if (held.length === 0) return true
  return wanted.length > 0 && wanted.every((name) => held.includes(name))
}

/** Joins parts that differ in their verbs alone; simple rules only (upstream's CompactRules). */
export function compact(rules: readonly PolicyRule[]): readonly PolicyRule[] {
  const result: PolicyRule[] = []
  const byResource = new Map<string, { rule: PolicyRule; at: number }>()
  for (const rule of rules) {
    const isSimple =
      rule.apiGroups?.length === 1 &&
      rule.resources?.length === 1 &&
      (rule.resourceNames ?? []).length <= 1 &&
      (rule.nonResourceURLs ?? []).length === 0
    if (!isSimple) {
      result.push(rule)
      continue
    }
    const key = JSON.stringify([rule.apiGroups, rule.resources, rule.resourceNames ?? []])
    const found = byResource.get(key)
    if (found === undefined) {
      byResource.set(key, { rule, at: result.length })
      result.push(rule)
    } else {
      const joined = { ...rule, verbs: [...found.rule.verbs, ...rule.verbs] }
      result[found.at] = joined
      byResource.set(key, { rule: joined, at: found.at })
    }
  }
  return result
}
