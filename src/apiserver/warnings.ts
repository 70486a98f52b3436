// Warning headers (RFC 7234 5.5, KEP-1693): code 299, no agent, the text as a quoted string.

const maxTextChars = 256
const maxTotalChars = 4096

/** Each text once, cut to what clients and proxies take. */
export function warningHeaders(texts: readonly string[]): string[] {
  const headers: string[] = []
  let total = 0
  for (const text of new Set(texts)) {
    if (text === '') continue
    const header = `299 - ${quote(text)}`
    total += header.length
    if (total > maxTotalChars) return cutAll(texts)
    headers.push(header)
  }
  return headers
}

/** Too much in all: each is shortened, and what still does not fit is left out. */
function cutAll(texts: readonly string[]): string[] {
  const headers: string[] = []
  let total = 0
  for (const text of new Set(texts)) {
    const header = `299 - ${quote([...text].slice(0, maxTextChars).join(''))}`
    total += header.length
    if (total > maxTotalChars) break
    headers.push(header)
  }
  return headers
}

function quote(text: string): string {
  // Control characters cannot stand in a header; other text travels as UTF-8.
  const clean = text.replace(/[\u0000-\u001f\u007f]/g, ' ')
  const escaped = clean.replace(/[\\"]/g, (char) => `\\${char}`)
  return `"${Buffer.from(escaped).toString('latin1')}"`
}
