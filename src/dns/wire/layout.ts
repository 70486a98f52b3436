// How record data is built, per type: one table that decoding (decompression), encoding
// (compression) and the text form share. A type that is not listed is opaque bytes (RFC 3597).
import { TYPE } from './codes.ts'

export type FieldKind =
  | 'u8'
  | 'u16'
  | 'u32'
  | 'ip4'
  | 'ip6'
  /** A name that RFC 1035 allows to compress on output. */
  | 'name'
  /** A name that must go out uncompressed (RFC 3597 4); input may be compressed. */
  | 'plainname'
  /** One length-prefixed string; the list of them to the end. */
  | 'string'
  | 'strings'
  /** Everything left, by its text form. */
  | 'text'
  | 'hex'
  | 'base64'
  | 'types'
  | 'params'
  | 'time'
  | 'type'
  | 'salt'
  | 'base32'

export type Layout = readonly FieldKind[]

const name: Layout = ['name']
const plain: Layout = ['plainname']
const twoNames: Layout = ['name', 'name']
const numberAndName: Layout = ['u16', 'plainname']
const key: Layout = ['u16', 'u8', 'u8', 'base64']
const digest: Layout = ['u16', 'u8', 'u8', 'hex']
const signature: Layout = ['type', 'u8', 'u8', 'u32', 'time', 'time', 'u16', 'plainname', 'base64']
const service: Layout = ['u16', 'plainname', 'params']

const layouts = new Map<number, Layout>([
  [TYPE.A, ['ip4']],
  [TYPE.NS, name],
  [TYPE.MD, name],
  [TYPE.MF, name],
  [TYPE.CNAME, name],
  [TYPE.SOA, ['name', 'name', 'u32', 'u32', 'u32', 'u32', 'u32']],
  [TYPE.MB, name],
  [TYPE.MG, name],
  [TYPE.MR, name],
  [TYPE.PTR, name],
  [TYPE.HINFO, ['string', 'string']],
  [TYPE.MINFO, twoNames],
  [TYPE.MX, ['u16', 'name']],
  [TYPE.TXT, ['strings']],
  [TYPE.RP, ['plainname', 'plainname']],
  [TYPE.AFSDB, numberAndName],
  [TYPE.RT, numberAndName],
  [TYPE.SIG, signature],
  [TYPE.KEY, key],
  [TYPE.PX, ['u16', 'plainname', 'plainname']],
  [TYPE.AAAA, ['ip6']],
  [TYPE.SRV, ['u16', 'u16', 'u16', 'plainname']],
  [TYPE.NAPTR, ['u16', 'u16', 'string', 'string', 'string', 'plainname']],
  [TYPE.KX, numberAndName],
  [TYPE.CERT, ['u16', 'u16', 'u8', 'base64']],
  [TYPE.DNAME, plain],
  [TYPE.DS, digest],
  [TYPE.SSHFP, ['u8', 'u8', 'hex']],
  [TYPE.RRSIG, signature],
  [TYPE.NSEC, ['plainname', 'types']],
  [TYPE.DNSKEY, key],
  [TYPE.NSEC3, ['u8', 'u8', 'u16', 'salt', 'base32', 'types']],
  [TYPE.NSEC3PARAM, ['u8', 'u8', 'u16', 'salt']],
  [TYPE.TLSA, ['u8', 'u8', 'u8', 'hex']],
  [TYPE.CDS, digest],
  [TYPE.CDNSKEY, key],
  [TYPE.SVCB, service],
  [TYPE.HTTPS, service],
  [TYPE.SPF, ['strings']],
  [TYPE.URI, ['u16', 'u16', 'text']],
  [TYPE.CAA, ['u8', 'string', 'text']],
])

export const layoutOf = (type: number): Layout | undefined => layouts.get(type)

const namedTypes = new Set(
  [...layouts].filter(([, kinds]) => kinds.some(isName)).map(([type]) => type),
)

/** Whether record data of this type holds names, so that it may arrive compressed. */
export const holdsNames = (type: number): boolean => namedTypes.has(type)

export function isName(kind: FieldKind): boolean {
  return kind === 'name' || kind === 'plainname'
}

/** Bytes of a field of fixed size; undefined for one that says its own length. */
export function fixedBytes(kind: FieldKind): number | undefined {
  switch (kind) {
    case 'u8':
      return 1
    case 'u16':
    case 'type':
      return 2
    case 'u32':
    case 'time':
    case 'ip4':
      return 4
    case 'ip6':
      return 16
    default:
      return undefined
  }
}

/** Whether the field takes all that is left. */
export function takesRest(kind: FieldKind): boolean {
  return ['strings', 'text', 'hex', 'base64', 'types', 'params'].includes(kind)
}
