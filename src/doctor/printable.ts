// Words of objects and arguments are anybody's: what would steer a terminal, break a line or turn
// the reading direction is shown as its escape instead. Done once, where data becomes text.

// C0, DEL and C1; line and paragraph separators; bidirectional controls.
// biome-ignore lint/suspicious/noControlCharactersInRegex: finding them is what this is for.
const steering = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g

const short: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' }

export const printableText = (text: string): string =>
  text.replace(steering, (char) => short[char] ?? escapeOf(char.charCodeAt(0)))

const escapeOf = (code: number): string =>
  code <= 0xff
    ? `\\x${code.toString(16).padStart(2, '0')}`
    : `\\u${code.toString(16).padStart(4, '0')}`

/** The same plain data with each string in it printable. */
export function printable<T>(data: T): T {
  return printableValue(data) as T
}

function printableValue(value: unknown): unknown {
  if (typeof value === 'string') return printableText(value)
  if (Array.isArray(value)) return value.map(printableValue)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, printableValue(one)]))
}
