// Compares answers with recorded ones: strings in a recording may hold masks, `{{*uid}}` (match only)
// or `{{ip=ip4}}` (match and bind a name that `{{ip}}` stands for later).

const types: Readonly<Record<string, string>> = {
  any: '[\\s\\S]+',
  uid: '[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}',
  rv: '[1-9][0-9]*',
  time: '\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\dZ',
  microtime: '\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{6}Z',
  suffix: '[bcdfghjklmnpqrstvwxz2456789]{5}',
  ip4: '10\\.96\\.\\d{1,3}\\.\\d{1,3}',
  ip6: 'fd00:10:96::[0-9a-f:]+',
  nodePort: '(?:30|31|32)\\d{3}',
  age: '(?:<unknown>|<invalid>|(?:\\d+[smhdy])+)',
  num: '-?\\d+(?:\\.\\d+)?',
}

export type Bindings = Record<string, string>

const escaped = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')

/** Puts bound names into every string of a JSON value, keys included. */
export function substitute(value: unknown, bindings: Bindings): unknown {
  if (typeof value === 'string') {
    return value.replace(/\{\{(\w+)\}\}/g, (mask, name: string) => bindings[name] ?? mask)
  }
  if (Array.isArray(value)) return value.map((item) => substitute(item, bindings))
  if (value === null || typeof value !== 'object') return value
  const entries = Object.entries(value).map(([key, item]) => [
    substitute(key, bindings),
    substitute(item, bindings),
  ])
  return Object.fromEntries(entries)
}

/** Whether text is as recorded; binds the names in the recording. */
export function matchText(wanted: string, actual: unknown, bindings: Bindings): boolean {
  if (!wanted.includes('{{')) return wanted === actual
  if (typeof actual !== 'string' && typeof actual !== 'number') return false
  const names: string[] = []
  let pattern = ''
  let end = 0
  for (const mask of wanted.matchAll(/\{\{(?:\*(\w+)|(\w+)=(\w+)|(\w+))\}\}/g)) {
    pattern += escaped(wanted.slice(end, mask.index))
    end = mask.index + mask[0].length
    if (mask[1]) pattern += `(?:${types[mask[1]] ?? types.any})`
    else if (mask[2]) {
      names.push(mask[2])
      pattern += `(${types[mask[3]!] ?? types.any})`
    } else pattern += escaped(bindings[mask[4]!] ?? mask[0])
  }
  const found = new RegExp(`^${pattern}${escaped(wanted.slice(end))}$`).exec(String(actual))
  if (!found) return false
  for (const [index, name] of names.entries()) bindings[name] = found[index + 1]!
  return true
}

/** Where a value differs from the recorded one: paths with both sides; empty if nowhere. */
export function differences(
  wanted: unknown,
  actual: unknown,
  at: { readonly bindings: Bindings; readonly path: string },
): readonly string[] {
  const { bindings, path } = at
  const differ = () => [`${path}: want ${short(wanted)} got ${short(actual)}`]
  if (typeof wanted === 'string') return matchText(wanted, actual, bindings) ? [] : differ()
  if (wanted === null || typeof wanted !== 'object') return wanted === actual ? [] : differ()
  if (Array.isArray(wanted)) {
    if (!Array.isArray(actual) || actual.length !== wanted.length) return differ()
    return wanted.flatMap((item, index) =>
      differences(item, actual[index], { bindings, path: `${path}[${index}]` }),
    )
  }
  if (actual === null || typeof actual !== 'object' || Array.isArray(actual)) return differ()
  const fields = actual as Readonly<Record<string, unknown>>
  const known = new Set<string>()
  const found = Object.entries(wanted).flatMap(([masked, item]) => {
    const key = String(substitute(masked, bindings))
    known.add(key)
    return differences(item, fields[key], { bindings, path: `${path}.${key}` })
  })
  const surplus = Object.keys(fields).filter((key) => !known.has(key))
  return [...found, ...surplus.map((key) => `${path}.${key}: unexpected ${short(fields[key])}`)]
}

function short(value: unknown): string {
  const text = JSON.stringify(value) ?? 'absent'
  return text.length > 400 ? `${text.slice(0, 400)}…` : text
}
