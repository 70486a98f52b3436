// Zones as a Corefile spells them: names, CIDRs that stand for reverse zones, keys of server blocks.
import { parseAddress, reverseName } from './wire/address.ts'
import { absoluteName, encodeName, isBelow, labelsOf, lowerName } from './wire/name.ts'

/** Lower-case absolute zones; several for a CIDR that ends inside a label. Undefined: no zone. */
export function normalizeZones(text: string): readonly string[] | undefined {
  const [, address, prefix] = /^([0-9a-f.:]+)\/(\d{1,3})$/i.exec(text) ?? []
  if (address !== undefined) return reverseZones(address, Number(prefix))
  if (text === '') return undefined
  const zone = lowerName(absoluteName(text))
  try {
    encodeName(zone, new Uint8Array(1024), 0)
  } catch {
    return undefined
  }
  return [zone]
}

/** 10.0.0.0/24 is one zone; /27 is 32 of them, a label each (8 bits, or 4 for IPv6). */
function reverseZones(address: string, prefix: number): readonly string[] | undefined {
  const bytes = parseAddress(address)
  if (!bytes || prefix > bytes.length * 8) return undefined
  const step = bytes.length === 4 ? 8 : 4
  const whole = Math.ceil(prefix / step) * step
  const labels = whole / step
  const all = labelsOf(reverseName(address))
  const base = all.slice(all.length - 2 - labels)
  const free = whole - prefix
  if (free === 0) return [`${base.join('.')}.`]
  const radix = step === 8 ? 10 : 16
  const first = (Number.parseInt(base[0]!, radix) >> free) << free
  const rest = base.slice(1).join('.')
  return Array.from({ length: 2 ** free }, (_, i) => `${(first + i).toString(radix)}.${rest}.`)
}

export const isReverseZone = (zone: string): boolean =>
  isBelow(zone, 'in-addr.arpa.') || isBelow(zone, 'ip6.arpa.')

/** The longest of `zones` that holds the name; undefined where none does. */
export function longestZone(zones: readonly string[], name: string): string | undefined {
  let longest: string | undefined
  for (const zone of zones) {
    if (isBelow(name, zone) && zone.length > (longest?.length ?? 0)) longest = zone
  }
  return longest
}

export type Scheme = 'dns' | 'tls' | 'https' | 'grpc' | 'quic' | 'https3'

export const defaultPorts: Readonly<Record<Scheme, number>> = {
  dns: 53,
  tls: 853,
  quic: 853,
  https: 443,
  https3: 443,
  grpc: 443,
}

export interface BlockKey {
  readonly scheme: Scheme
  readonly zone: string
  readonly port: number
}

/** "[scheme://]zone[:port]"; several for a CIDR; undefined for text that is no key. */
export function parseKey(text: string, dnsPort: number): readonly BlockKey[] | undefined {
  const [, named, rest = ''] = /^(?:([a-z0-9]+):\/\/)?(.*)$/i.exec(text) ?? []
  const scheme = (named ?? 'dns').toLowerCase()
  if (!(scheme in defaultPorts)) return undefined
  const [, zoneText = '', portText] = splitPort(rest)
  const fallback = scheme === 'dns' ? dnsPort : defaultPorts[scheme as Scheme]
  const port = portText === undefined ? fallback : Number(portText)
  const zones = normalizeZones(zoneText === '' ? '.' : zoneText)
  if (!zones || port > 65_535 || (zoneText.includes(':') && !zoneText.includes('/')))
    return undefined
  return zones.map((zone) => ({ scheme: scheme as Scheme, zone, port }))
}

/** An IPv6 CIDR has colons of its own: only digits behind the prefix length are a port there. */
function splitPort(text: string): readonly (string | undefined)[] {
  if (/^[0-9a-f:]*:[0-9a-f:]*\/\d+/i.test(text)) return /^(.*\/\d+)(?::(\d+))?$/.exec(text) ?? []
  return /^([^:]*)(?::(\d+))?$/.exec(text) ?? ['', text]
}
