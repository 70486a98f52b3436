// The parameters of SVCB and HTTPS records (RFC 9460 2.1) as text and bytes.
import { formatAddress, parseAddress } from './address.ts'
import { WireError } from './wire-error.ts'

const names = ['mandatory', 'alpn', 'no-default-alpn', 'port', 'ipv4hint', 'ech', 'ipv6hint']

const nameOf = (key: number): string => names[key] ?? `key${key}`

function keyOf(name: string): number {
  const known = names.indexOf(name)
  if (known >= 0) return known
  const number = /^key(\d{1,5})$/.exec(name)?.[1]
  if (number === undefined || Number(number) > 0xffff) {
    throw new WireError('rdata', `unknown service parameter "${name}"`)
  }
  return Number(number)
}

export function formatParams(bytes: Buffer): string {
  const texts: string[] = []
  let at = 0
  while (at + 4 <= bytes.length) {
    const key = bytes.readUInt16BE(at)
    const length = bytes.readUInt16BE(at + 2)
    const value = formatValue(key, bytes.subarray(at + 4, at + 4 + length))
    texts.push(value === '' ? nameOf(key) : `${nameOf(key)}="${value}"`)
    at += 4 + length
  }
  return texts.join(' ')
}

function formatValue(key: number, value: Buffer): string {
  switch (nameOf(key)) {
    case 'mandatory':
      return chunks(value, 2)
        .map((chunk) => nameOf(chunk.readUInt16BE(0)))
        .join(',')
    case 'alpn': {
      const protocols: string[] = []
      for (let at = 0; at < value.length; at += 1 + value[at]!) {
        protocols.push(value.toString('latin1', at + 1, at + 1 + value[at]!))
      }
      return protocols.join(',')
    }
    case 'port':
      return value.length === 2 ? String(value.readUInt16BE(0)) : ''
    case 'ipv4hint':
      return chunks(value, 4).map(formatAddress).join(',')
    case 'ipv6hint':
      return chunks(value, 16).map(formatAddress).join(',')
    case 'ech':
      return value.toString('base64')
    default:
      return value.toString('latin1')
  }
}

function chunks(bytes: Buffer, size: number): Buffer[] {
  const count = Math.floor(bytes.length / size)
  return Array.from({ length: count }, (_, i) => bytes.subarray(i * size, (i + 1) * size))
}

export function parseParams(words: readonly string[]): Uint8Array {
  const params = words.map((word) => {
    const [, name = '', value = ''] = /^([^=]+)=?"?(.*?)"?$/s.exec(word) ?? []
    const key = keyOf(name)
    return { key, value: parseValue(key, value) }
  })
  const parts = params
    .sort((a, b) => a.key - b.key)
    .flatMap(({ key, value }) => {
      const head = Buffer.alloc(4)
      head.writeUInt16BE(key, 0)
      head.writeUInt16BE(value.length, 2)
      return [head, value]
    })
  return Buffer.concat(parts)
}

function parseValue(key: number, text: string): Uint8Array {
  switch (nameOf(key)) {
    case 'mandatory':
      return Buffer.concat(text.split(',').map((name) => u16(keyOf(name))))
    case 'alpn':
      return Buffer.concat(
        text.split(',').flatMap((id) => [Uint8Array.of(id.length), Buffer.from(id, 'latin1')]),
      )
    case 'port':
      return u16(Number(text))
    case 'ipv4hint':
    case 'ipv6hint':
      return Buffer.concat(text.split(',').map(address))
    case 'ech':
      return Buffer.from(text, 'base64')
    default:
      return Buffer.from(text, 'latin1')
  }
}

function address(text: string): Uint8Array {
  const bytes = parseAddress(text)
  if (!bytes) throw new WireError('rdata', `"${text}" is no address`)
  return bytes
}

function u16(value: number): Uint8Array {
  if (!Number.isInteger(value) || value < 0 || value > 0xffff) {
    throw new WireError('rdata', `"${value}" is out of range`)
  }
  return Uint8Array.of(value >> 8, value & 0xff)
}
