// Which address a Pod gets: the next one after the last given out, so that an address rests as
// long as possible before it is used again.
import { cidrAddress, cidrContains, cidrSize, formatIp, parseCidr, parseIp } from '../lib/ip.ts'

/**
 * The next free address of a block; undefined when every one is taken. The network address, the
 * first one (by custom the gateway's) and the IPv4 broadcast address are never given out.
 */
export function nextAddress(
  block: string,
  taken: ReadonlySet<string>,
  last: string | undefined,
): string | undefined {
  const cidr = parseCidr(block)
  if (!cidr) throw new TypeError(`cannot allocate from "${block}": it is not a CIDR block`)
  const first = 2n
  const end = cidrSize(cidr) - (cidr.family === 'IPv4' ? 1n : 0n)
  const usable = end - first
  if (usable <= 0n) return undefined
  const lastIp = last === undefined ? undefined : parseIp(last)
  const start = lastIp && cidrContains(cidr, lastIp) ? lastIp.value - cidr.base + 1n : first
  // At most as many addresses as are taken can be in the way.
  const attempts = BigInt(taken.size) + 1n < usable ? BigInt(taken.size) + 1n : usable
  let offset = start
  for (let tried = 0n; tried < attempts; tried++) {
    if (offset < first || offset >= end) offset = first
    const candidate = formatIp(cidrAddress(cidr, offset))
    if (!taken.has(candidate)) return candidate
    offset++
  }
  return undefined
}
