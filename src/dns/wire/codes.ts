// Numbers of the DNS registries and their names: record types, classes, opcodes, rcodes, options.

export const TYPE = {
  A: 1,
  NS: 2,
  MD: 3,
  MF: 4,
  CNAME: 5,
  SOA: 6,
  MB: 7,
  MG: 8,
  MR: 9,
  NULL: 10,
  PTR: 12,
  HINFO: 13,
  MINFO: 14,
  MX: 15,
  TXT: 16,
  RP: 17,
  AFSDB: 18,
  RT: 21,
  SIG: 24,
  KEY: 25,
  PX: 26,
  AAAA: 28,
  LOC: 29,
  SRV: 33,
  NAPTR: 35,
  KX: 36,
  CERT: 37,
  DNAME: 39,
  OPT: 41,
  DS: 43,
  SSHFP: 44,
  RRSIG: 46,
  NSEC: 47,
  DNSKEY: 48,
  NSEC3: 50,
  NSEC3PARAM: 51,
  TLSA: 52,
  CDS: 59,
  CDNSKEY: 60,
  SVCB: 64,
  HTTPS: 65,
  SPF: 99,
  TSIG: 250,
  IXFR: 251,
  AXFR: 252,
  ANY: 255,
  URI: 256,
  CAA: 257,
} as const

export const CLASS = { IN: 1, CH: 3, HS: 4, NONE: 254, ANY: 255 } as const

export const OPCODE = { QUERY: 0, IQUERY: 1, STATUS: 2, NOTIFY: 4, UPDATE: 5 } as const

export const RCODE = {
  NOERROR: 0,
  FORMERR: 1,
  SERVFAIL: 2,
  NXDOMAIN: 3,
  NOTIMP: 4,
  REFUSED: 5,
  YXDOMAIN: 6,
  YXRRSET: 7,
  NXRRSET: 8,
  NOTAUTH: 9,
  NOTZONE: 10,
  BADVERS: 16,
  BADKEY: 17,
  BADTIME: 18,
  BADMODE: 19,
  BADNAME: 20,
  BADALG: 21,
  BADTRUNC: 22,
  BADCOOKIE: 23,
} as const

export const EDNS_OPTION = {
  NSID: 3,
  CLIENT_SUBNET: 8,
  EXPIRE: 9,
  COOKIE: 10,
  TCP_KEEPALIVE: 11,
  PADDING: 12,
  EXTENDED_ERROR: 15,
} as const

function invert(table: Readonly<Record<string, number>>): ReadonlyMap<number, string> {
  return new Map(Object.entries(table).map(([name, number]) => [number, name]))
}

const typeNames = invert(TYPE)
const classNames = invert(CLASS)
const opcodeNames = invert(OPCODE)
const rcodeNames = invert(RCODE)
const typeNumbers = new Map<string, number>(Object.entries(TYPE))
const classNumbers = new Map<string, number>(Object.entries(CLASS))
const rcodeNumbers = new Map<string, number>(Object.entries(RCODE))

/** "AAAA", or "TYPE65534" (RFC 3597). */
export const formatType = (type: number): string => typeNames.get(type) ?? `TYPE${type}`
export const formatClass = (number: number): string => classNames.get(number) ?? `CLASS${number}`
export const formatOpcode = (opcode: number): string => opcodeNames.get(opcode) ?? `OPCODE${opcode}`
export const formatRcode = (rcode: number): string => rcodeNames.get(rcode) ?? `RCODE${rcode}`

/** Undefined for a name that no registry knows. */
export const parseType = (text: string): number | undefined =>
  typeNumbers.get(text.toUpperCase()) ?? numbered(text, 'TYPE')
export const parseClass = (text: string): number | undefined =>
  classNumbers.get(text.toUpperCase()) ?? numbered(text, 'CLASS')
export const parseRcode = (text: string): number | undefined =>
  rcodeNumbers.get(text.toUpperCase()) ?? numbered(text, 'RCODE')

function numbered(text: string, prefix: string): number | undefined {
  if (!text.toUpperCase().startsWith(prefix)) return undefined
  const digits = text.slice(prefix.length)
  if (!/^\d{1,5}$/.test(digits)) return undefined
  const number = Number(digits)
  return number <= 0xffff ? number : undefined
}
