// Text as Go prints it, for messages that have to equal Kubernetes' own to the character.

const named: Readonly<Record<string, string>> = {
  '"': '\\"',
  '\\': '\\\\',
  '\x07': '\\a',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\v': '\\v',
}

const needsQuoting = /["\\\p{C}\p{Zl}\p{Zp}]|(?! )\p{Zs}/gu

function escapeOne(char: string): string {
  const short = named[char]
  if (short !== undefined) return short
  const code = char.codePointAt(0)!
  if (code < 0x80) return `\\x${code.toString(16).padStart(2, '0')}`
  if (code <= 0xffff) return `\\u${code.toString(16).padStart(4, '0')}`
  return `\\U${code.toString(16).padStart(8, '0')}`
}

/** A string as strconv.Quote (and %q) writes it. */
export function goQuote(text: string): string {
  return `"${text.replace(needsQuoting, escapeOne)}"`
}

/** A list of strings as %#v writes it: `[]string{"a", "b"}`. */
export function goStringSlice(items: readonly string[]): string {
  return `[]string{${items.map(goQuote).join(', ')}}`
}

/** A JSON value as %v writes it: `map[a:1 b:[x y]]`, keys sorted. */
export function goValue(value: unknown): string {
  if (value === null || value === undefined) return '<nil>'
  if (Array.isArray(value)) return `[${value.map(goValue).join(' ')}]`
  if (typeof value !== 'object') return String(value)
  const entries = Object.entries(value).sort(([a], [b]) => compareText(a, b))
  return `map[${entries.map(([key, item]) => `${key}:${goValue(item)}`).join(' ')}]`
}

/** JSON as encoding/json writes it: sorted keys are the caller's business, `<>&` are escaped. */
export function goJson(value: unknown): string {
  return escapeHtml(JSON.stringify(value) ?? 'null')
}

const html = /[<>&\u2028\u2029]/g

export function escapeHtml(json: string): string {
  html.lastIndex = 0
  if (!html.test(json)) return json
  return json.replace(html, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

/** Order of Go strings: by UTF-8 bytes, which is by code point. */
export function compareText(a: string, b: string): number {
  if (a === b) return 0
  const length = Math.min(a.length, b.length)
  for (let index = 0; index < length; index++) {
    const left = a.charCodeAt(index)
    const right = b.charCodeAt(index)
    if (left === right) continue
    const leftSurrogate = left >= 0xd800 && left < 0xe000
    const rightSurrogate = right >= 0xd800 && right < 0xe000
    if (leftSurrogate !== rightSurrogate && left >= 0xd800 && right >= 0xd800) {
      return leftSurrogate ? 1 : -1
    }
    return left - right
  }
  return a.length - b.length
}

/** Length in UTF-8 bytes, which is what Go's len counts. */
export function byteLength(text: string): number {
  let bytes = text.length
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index)
    if (code < 0x80) continue
    if (code < 0x800) bytes += 1
    else if (code < 0xd800 || code > 0xdbff) bytes += code >= 0xdc00 && code <= 0xdfff ? 0 : 2
    else bytes += 2
  }
  return bytes
}
