// Kubernetes' URLs, IP addresses and CIDR blocks. Addresses are canonical or refused: no zones, no
// IPv4 inside IPv6, no leading zeros.
import type { Cidr, Ip } from '../../lib/ip.ts'
import { cidrContains, formatCidr, formatIp, parseCidr, parseIp } from '../../lib/ip.ts'
import { always, reads } from './costs.ts'
import type { CostRule, Overload } from './overload.ts'
import { overload } from './overload.ts'
import { add, fixed, scale, traversal } from './range.ts'
import { CelError, List, MapValue, Opaque } from './values.ts'

const fail = (message: string): never => {
  throw new CelError(message)
}

function readUrl(text: string): URL | undefined {
  const rooted = text.startsWith('/')
  if (!rooted && !/^[a-zA-Z][a-zA-Z0-9+.-]*:/.test(text)) return undefined
  try {
    return new URL(text, rooted ? 'relative://' : undefined)
  } catch {
    return undefined
  }
}

interface Url {
  readonly text: string
  readonly url: URL
}

function urlOf(text: string): Opaque<Url> {
  const url = readUrl(text)
  if (!url)
    return fail(
      `URL parse error during conversion from string: parse ${JSON.stringify(text)}: invalid URI for request`,
    )
  return new Opaque('kubernetes.URL', { text, url }, (one, other) => one.text === other.text)
}

const isRelative = ({ url }: Url) => url.protocol === 'relative:'

function queryOf({ url }: Url): MapValue {
  const byKey = new Map<string, string[]>()
  for (const [key, value] of url.searchParams) byKey.set(key, [...(byKey.get(key) ?? []), value])
  return MapValue.of([...byKey].map(([key, values]) => [key, List.of(values)] as const))
}

type UrlValue = Opaque<Url>

const urls = [
  overload('url: (string) -> kubernetes.URL', urlOf, { cost: reads(0) }),
  overload('isURL: (string) -> bool', (text: string) => readUrl(text) !== undefined),
  overload('getScheme: kubernetes.URL.() -> string', ({ data }: UrlValue) =>
    isRelative(data) ? '' : data.url.protocol.slice(0, -1),
  ),
  overload('getHost: kubernetes.URL.() -> string', ({ data }: UrlValue) => data.url.host),
  overload('getHostname: kubernetes.URL.() -> string', ({ data }: UrlValue) =>
    data.url.hostname.replace(/^\[(.*)\]$/, '$1'),
  ),
  overload('getPort: kubernetes.URL.() -> string', ({ data }: UrlValue) => portOf(data)),
  overload('getEscapedPath: kubernetes.URL.() -> string', ({ data }: UrlValue) =>
    hasPath(data) ? data.url.pathname : '',
  ),
  overload('getQuery: kubernetes.URL.() -> map(string, list(string))', ({ data }: UrlValue) =>
    queryOf(data),
  ),
]

/** URL drops default ports; Go keeps what was written. */
const portOf = ({ text, url }: Url): string =>
  url.port || (/^[a-z]+:\/\/[^/?#]*?:(\d+)(?:[/?#]|$)/i.exec(text)?.[1] ?? '')

/** "https://a" has no path; URL gives it one. */
const hasPath = ({ text }: Url): boolean =>
  text.startsWith('/') || /^[^:]+:\/\/[^/?#]*\//.test(text)

const sameIp = (one: Ip, other: Ip) => one.family === other.family && one.value === other.value

function readIp(text: string): Ip | undefined {
  const ip = parseIp(text)
  const mapped = ip?.family === 'IPv6' && text.includes('.')
  return mapped ? undefined : ip
}

const ipValue = (ip: Ip): Opaque<Ip> => new Opaque('net.IP', ip, sameIp)

const ipOf = (text: string): Opaque<Ip> => {
  const ip = readIp(text)
  return ip
    ? ipValue(ip)
    : fail(
        `IP Address ${JSON.stringify(text)} parse error during conversion from string: unable to parse IP`,
      )
}

const inBlock = (block: string) => {
  const cidr = parseCidr(block) as Cidr
  return (ip: Ip) => cidrContains(cidr, ip)
}

const tests: Readonly<Record<string, readonly string[]>> = {
  isUnspecified: ['0.0.0.0/32', '::/128'],
  isLoopback: ['127.0.0.0/8', '::1/128'],
  isLinkLocalMulticast: ['224.0.0.0/24', 'ff02::/16'],
  isLinkLocalUnicast: ['169.254.0.0/16', 'fe80::/10'],
}

const notGlobal = [
  '0.0.0.0/32',
  '255.255.255.255/32',
  '127.0.0.0/8',
  '224.0.0.0/4',
  '169.254.0.0/16',
]
const notGlobalV6 = ['::/128', '::1/128', 'ff00::/8', 'fe80::/10']

const within = (ip: Ip, blocks: readonly string[]): boolean =>
  blocks.some((block) => inBlock(block)(ip))

type IpValue = Opaque<Ip>

const addresses = [
  overload('isIP: (string) -> bool', (text: string) => readIp(text) !== undefined, {
    cost: reads(0),
  }),
  overload('ip: (string) -> net.IP', ipOf, { cost: reads(0) }),
  overload(
    'ip.isCanonical: (string) -> bool',
    (text: string) => formatIp(ipOf(text).data) === text,
    { cost: reads(0, 2) },
  ),
  overload('string: (net.IP) -> string', ({ data }: IpValue) => formatIp(data)),
  overload('family: net.IP.() -> int', ({ data }: IpValue) => (data.family === 'IPv4' ? 4n : 6n)),
  ...Object.entries(tests).map(([name, blocks]) =>
    overload(`${name}: net.IP.() -> bool`, ({ data }: IpValue) => within(data, blocks)),
  ),
  overload(
    'isGlobalUnicast: net.IP.() -> bool',
    ({ data }: IpValue) => !within(data, [...notGlobal, ...notGlobalV6]),
  ),
]

const cidrValue = (cidr: Cidr): Opaque<Cidr> =>
  new Opaque('net.CIDR', cidr, (one, other) => {
    return one.prefix === other.prefix && sameIp(one.address, other.address)
  })

const readCidr = (text: string): Cidr | undefined =>
  readIp(text.slice(0, text.indexOf('/'))) && parseCidr(text)

const cidrOf = (text: string): Opaque<Cidr> => {
  const cidr = readCidr(text)
  return cidr
    ? cidrValue(cidr)
    : fail(
        `network address parse error during conversion from string: netip.ParsePrefix(${JSON.stringify(text)}): invalid CIDR`,
      )
}

const containsCidr = (outer: Cidr, inner: Cidr): boolean =>
  outer.prefix <= inner.prefix && cidrContains(outer, inner.address)

type CidrValue = Opaque<Cidr>

/** Bytes of both blocks are compared; a text has to be read first. */
const comparesBlocks =
  (extra: number, text: boolean): CostRule =>
  ({ sizes }) => {
    const base = scale(fixed(32 + extra * 16), traversal)
    const parsed = text && sizes[1] ? scale(sizes[1], traversal) : fixed(0)
    return { cost: add(base, parsed, fixed(extra)) }
  }

const blocks = [
  overload('isCIDR: (string) -> bool', (text: string) => readCidr(text) !== undefined, {
    cost: reads(0),
  }),
  overload('cidr: (string) -> net.CIDR', cidrOf, { cost: reads(0) }),
  overload('string: (net.CIDR) -> string', ({ data }: CidrValue) => {
    return `${formatIp(data.address)}/${data.prefix}`
  }),
  overload(
    'containsIP: net.CIDR.(string) -> bool',
    ({ data }: CidrValue, text: string) => cidrContains(data, ipOf(text).data),
    { cost: comparesBlocks(0, true) },
  ),
  overload(
    'containsIP: net.CIDR.(net.IP) -> bool',
    ({ data }: CidrValue, ip: IpValue) => cidrContains(data, ip.data),
    { cost: comparesBlocks(0, false) },
  ),
  overload(
    'containsCIDR: net.CIDR.(string) -> bool',
    ({ data }: CidrValue, text: string) => containsCidr(data, cidrOf(text).data),
    { cost: comparesBlocks(1, true) },
  ),
  overload(
    'containsCIDR: net.CIDR.(net.CIDR) -> bool',
    ({ data }: CidrValue, other: CidrValue) => containsCidr(data, other.data),
    { cost: comparesBlocks(1, false) },
  ),
  overload('ip: net.CIDR.() -> net.IP', ({ data }: CidrValue) => ipValue(data.address), {
    cost: always(1),
  }),
  overload('masked: net.CIDR.() -> net.CIDR', ({ data }: CidrValue) => {
    return cidrValue(parseCidr(formatCidr(data)) as Cidr)
  }),
  overload('prefixLength: net.CIDR.() -> int', ({ data }: CidrValue) => BigInt(data.prefix)),
]

export const netFunctions: readonly Overload[] = [...urls, ...addresses, ...blocks]
