// JSON values as Go prints them: some of Kubernetes' messages quote a value with %v, %#v or %T,
// and some quote encoding/json.
import { isObject } from './atom.ts'
import { goString } from './path-element.ts'

/** %v of a decoded JSON value: `map[a:1 b:[x y]]`, `<nil>`. */
export function formatGo(value: unknown): string {
  if (value === null || value === undefined) return '<nil>'
  if (Array.isArray(value)) return `[${value.map(formatGo).join(' ')}]`
  if (isObject(value)) {
    const keys = Object.keys(value).sort()
    return `map[${keys.map((key) => `${key}:${formatGo(value[key])}`).join(' ')}]`
  }
  return typeof value === 'number' ? formatNumber(value) : String(value)
}

/** %#v of a decoded JSON value. */
export function formatGoSyntax(value: unknown): string {
  if (value === null || value === undefined) return 'interface {}(nil)'
  if (Array.isArray(value)) return `[]interface {}{${value.map(formatGoSyntax).join(', ')}}`
  if (isObject(value)) {
    const keys = Object.keys(value).sort()
    const fields = keys.map((key) => `${JSON.stringify(key)}:${formatGoSyntax(value[key])}`)
    return `map[string]interface {}{${fields.join(', ')}}`
  }
  if (typeof value === 'string') return JSON.stringify(value)
  return typeof value === 'number' ? formatNumber(value) : String(value)
}

/** %T of a decoded JSON value. */
export function goTypeName(value: unknown): string {
  if (value === null || value === undefined) return '<nil>'
  if (Array.isArray(value)) return '[]interface {}'
  if (typeof value === 'number') return Number.isInteger(value) ? 'int64' : 'float64'
  if (typeof value === 'boolean') return 'bool'
  return typeof value === 'string' ? 'string' : 'map[string]interface {}'
}

function formatNumber(value: number): string {
  if (Number.isInteger(value) && Math.abs(value) < 1e21) return String(value)
  const exponent = value === 0 ? 0 : Math.floor(Math.log10(Math.abs(value)))
  if (exponent >= -4 && exponent < 21) return String(value)
  // Go's %e has at least two digits of exponent.
  return value.toExponential().replace(/e([+-])(\d)$/, 'e$10$2')
}

/** As encoding/json writes a value: keys sorted, `<`, `>` and `&` escaped. */
export function goJson(value: unknown): string {
  if (typeof value === 'string') return goString(value)
  if (Array.isArray(value)) return `[${value.map(goJson).join(',')}]`
  if (isObject(value)) {
    const keys = Object.keys(value)
      .filter((key) => value[key] !== undefined)
      .sort()
    return `{${keys.map((key) => `${goString(key)}:${goJson(value[key])}`).join(',')}}`
  }
  return JSON.stringify(value ?? null)
}
