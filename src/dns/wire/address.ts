// IPv4 and IPv6 addresses as text and bytes, and their names in the reverse zones.

/** Four or sixteen bytes; undefined for text that is no address. */
export function parseAddress(text: string): Uint8Array | undefined {
  return text.includes(':') ? parseIpv6(text) : parseIpv4(text)
}

/** Dotted decimal without leading zeros, as Kubernetes writes it. */
export function parseIpv4(text: string): Uint8Array | undefined {
  const bytes = new Uint8Array(4)
  let octet = 0
  let value = -1
  for (let index = 0; index <= text.length; index++) {
    const code = index < text.length ? text.charCodeAt(index) : 0x2e
    if (code === 0x2e) {
      if (value < 0 || octet > 3) return undefined
      bytes[octet++] = value
      value = -1
    } else if (code >= 0x30 && code <= 0x39 && value !== 0) {
      value = Math.max(value, 0) * 10 + code - 0x30
      if (value > 255) return undefined
    } else {
      return undefined
    }
  }
  return octet === 4 ? bytes : undefined
}

/** RFC 4291 2.2, with an IPv4 tail allowed; no zone. */
export function parseIpv6(text: string): Uint8Array | undefined {
  const halves = text.split('::')
  if (halves.length > 2) return undefined
  const head = parseGroups(halves[0]!, halves.length === 1)
  const tail = halves.length === 2 ? parseGroups(halves[1]!, true) : []
  if (!head || !tail) return undefined
  const missing = 16 - head.length - tail.length
  if (halves.length === 1 ? missing !== 0 : missing < 2) return undefined
  return Uint8Array.from([...head, ...new Array<number>(missing).fill(0), ...tail])
}

function parseGroups(text: string, last: boolean): number[] | undefined {
  if (text === '') return []
  const groups = text.split(':')
  const bytes: number[] = []
  for (const [index, group] of groups.entries()) {
    if (last && index === groups.length - 1 && group.includes('.')) {
      const tail = parseIpv4(group)
      if (!tail) return undefined
      bytes.push(...tail)
    } else {
      if (!/^[0-9a-f]{1,4}$/i.test(group)) return undefined
      const value = Number.parseInt(group, 16)
      bytes.push(value >> 8, value & 0xff)
    }
  }
  return bytes
}

/** The canonical text (RFC 5952) of four or sixteen bytes. */
export function formatAddress(bytes: Uint8Array): string {
  if (bytes.length === 4) return `${bytes[0]}.${bytes[1]}.${bytes[2]}.${bytes[3]}`
  const groups = Array.from({ length: 8 }, (_, i) => (bytes[2 * i]! << 8) | bytes[2 * i + 1]!)
  if (groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff) {
    return `::ffff:${formatAddress(bytes.subarray(12))}`
  }
  const { start, length } = longestZeros(groups)
  const hex = groups.map((group) => group.toString(16))
  if (length < 2) return hex.join(':')
  return `${hex.slice(0, start).join(':')}::${hex.slice(start + length).join(':')}`
}

function longestZeros(groups: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 }
  for (let start = 0; start < 8; start++) {
    let length = 0
    while (start + length < 8 && groups[start + length] === 0) length++
    if (length > best.length) best = { start, length }
  }
  return best
}

/** One spelling per address, for comparing; text that is no address stays as it is. */
export function canonicalAddress(text: string): string {
  if (!text.includes(':')) return text
  const bytes = parseIpv6(text)
  return bytes ? formatAddress(bytes) : text
}

export const isIpv6 = (address: string): boolean => address.includes(':')

/** The address a reverse name stands for; undefined for any other name. Expects lower case. */
export function addressOfReverseName(name: string): string | undefined {
  if (name.endsWith('.in-addr.arpa.')) {
    const labels = name.slice(0, -'.in-addr.arpa.'.length).split('.')
    const text = labels.reverse().join('.')
    return labels.length === 4 && parseIpv4(text) ? text : undefined
  }
  if (!name.endsWith('.ip6.arpa.')) return undefined
  const nibbles = name.slice(0, -'.ip6.arpa.'.length).split('.')
  if (nibbles.length !== 32 || !nibbles.every((nibble) => /^[0-9a-f]$/.test(nibble)))
    return undefined
  return formatAddress(Buffer.from(nibbles.reverse().join(''), 'hex'))
}

/** "4.1.120.10.in-addr.arpa." */
export function reverseName(address: string): string {
  const bytes = parseAddress(address)
  if (!bytes) return '.'
  if (bytes.length === 4) return `${[...bytes].reverse().join('.')}.in-addr.arpa.`
  return `${[...Buffer.from(bytes).toString('hex')].reverse().join('.')}.ip6.arpa.`
}
