import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  canonicalIp,
  cidrAddress,
  cidrContains,
  cidrSize,
  formatCidr,
  formatIp,
  ipFromBytes,
  ipToBytes,
  parseCidr,
  parseIp,
} from './ip.ts'

describe('parseIp()', () => {
  const check = (text: string, expected: string | undefined) =>
    it(`${JSON.stringify(text)} is ${expected ?? 'refused'}`, () =>
      expect(canonicalIp(text)).toBe(expected))
  check('10.96.0.10', '10.96.0.10')
  check('010.96.0.10', undefined)
  check('256.0.0.1', undefined)
  check('1.2.3', undefined)
  check('1.2.3.4.5', undefined)
  check('', undefined)
  check('::', '::')
  check('::1', '::1')
  check('2001:DB8:0:0:1:0:0:1', '2001:db8::1:0:0:1')
  check('1:2:3:4:5:6:7:8', '1:2:3:4:5:6:7:8')
  check('1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:0')
  check('1:2:3:4:5:6:7:8::', undefined)
  check('1::2::3', undefined)
  check(':1', undefined)
  check('1:', undefined)
  check('::ffff:1.2.3.4', '::ffff:1.2.3.4')
  check('64:ff9b::1.2.3.4', '64:ff9b::102:304')
  check('1.2.3.4::', undefined)
  check('fe80::1%eth0', undefined)
  check('12345::', undefined)
})

describe('properties', () => {
  const address = fc.oneof(
    fc.uint8Array({ minLength: 4, maxLength: 4 }),
    fc.uint8Array({ minLength: 16, maxLength: 16 }),
  )
  it('format and parse are inverse, as are bytes', () => {
    fc.assert(
      fc.property(address, (bytes) => {
        const ip = ipFromBytes(bytes)
        expect(parseIp(formatIp(ip))).toEqual(ip)
        expect(ipToBytes(ip)).toEqual(bytes)
      }),
    )
  })
})

describe('cidr', () => {
  it('clears host bits and counts', () => {
    const cidr = parseCidr('10.96.1.7/16')!
    expect(formatCidr(cidr)).toBe('10.96.0.0/16')
    expect(cidrSize(cidr)).toBe(65536n)
    expect(formatIp(cidrAddress(cidr, 10n))).toBe('10.96.0.10')
    expect(cidrContains(cidr, parseIp('10.96.255.255')!)).toBe(true)
    expect(cidrContains(cidr, parseIp('10.97.0.0')!)).toBe(false)
    expect(() => cidrAddress(cidr, 65536n)).toThrow(RangeError)
  })
  it('refuses what is none', () => {
    for (const text of ['10.0.0.0', '10.0.0.0/33', '10.0.0.0/-1', '10.0.0.0/08', 'x/8'])
      expect(parseCidr(text)).toBeUndefined()
  })
})
