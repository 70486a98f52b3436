// Whether two JSON values say the same, as Kubernetes' Semantic.DeepEqual sees it: a field that
// is absent, null, an empty list or an empty map makes no difference.

export function semanticEqual(one: unknown, other: unknown): boolean {
  if (one === other) return true
  if (isNothing(one) || isNothing(other)) return isNothing(one) && isNothing(other)
  if (Array.isArray(one) || Array.isArray(other)) {
    return (
      Array.isArray(one) &&
      Array.isArray(other) &&
      one.length === other.length &&
      one.every((item, at) => semanticEqual(item, other[at]))
    )
  }
  if (typeof one !== 'object' || typeof other !== 'object') return false
  const left = one as Readonly<Record<string, unknown>>
  const right = other as Readonly<Record<string, unknown>>
  for (const key of Object.keys(left)) {
    if (!semanticEqual(left[key], right[key])) return false
  }
  for (const key of Object.keys(right)) {
    if (!(key in left) && !isNothing(right[key])) return false
  }
  return true
}

function isNothing(value: unknown): boolean {
  if (value === undefined || value === null) return true
  if (typeof value !== 'object') return false
  if (Array.isArray(value)) return value.length === 0
  for (const key in value) {
    if (!isNothing((value as Readonly<Record<string, unknown>>)[key])) return false
  }
  return true
}
