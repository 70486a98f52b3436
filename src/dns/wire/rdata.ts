// Builds the records a server makes itself, and reads the few fields it looks at in others.
import { parseAddress } from './address.ts'
import { CLASS, TYPE } from './codes.ts'
import type { ResourceRecord } from './message.ts'
import { decodeName, encodeName, maxNameBytes } from './name.ts'
import { WireError } from './wire-error.ts'

export interface Owner {
  readonly name: string
  readonly ttl: number
}

export function record(owner: Owner, type: number, data: Uint8Array): ResourceRecord {
  return { name: owner.name, type, class: CLASS.IN, ttl: owner.ttl, data }
}

/** An A or AAAA record, by the address's family. */
export function addressRecord(owner: Owner, address: string): ResourceRecord {
  const bytes = parseAddress(address)
  if (!bytes) throw new WireError('rdata', `"${address}" is no address`)
  return record(owner, bytes.length === 4 ? TYPE.A : TYPE.AAAA, bytes)
}

const scratch = new Uint8Array(3 * maxNameBytes + 64)

/** CNAME, NS, PTR, DNAME: data that is one name. */
export function nameRecord(owner: Owner, type: number, target: string): ResourceRecord {
  return record(owner, type, scratch.slice(0, encodeName(target, scratch, 0)))
}

export interface SrvData {
  readonly priority: number
  readonly weight: number
  readonly port: number
  readonly target: string
}

export function srvRecord(owner: Owner, srv: SrvData): ResourceRecord {
  const view = new DataView(scratch.buffer)
  view.setUint16(0, srv.priority)
  view.setUint16(2, srv.weight)
  view.setUint16(4, srv.port)
  return record(owner, TYPE.SRV, scratch.slice(0, encodeName(srv.target, scratch, 6)))
}

export interface SoaData {
  readonly mname: string
  readonly rname: string
  readonly serial: number
  readonly refresh: number
  readonly retry: number
  readonly expire: number
  readonly minimum: number
}

export function soaRecord(owner: Owner, soa: SoaData): ResourceRecord {
  const numbers = encodeName(soa.rname, scratch, encodeName(soa.mname, scratch, 0))
  const view = new DataView(scratch.buffer)
  const values = [soa.serial, soa.refresh, soa.retry, soa.expire, soa.minimum]
  for (const [index, value] of values.entries()) view.setUint32(numbers + 4 * index, value)
  return record(owner, TYPE.SOA, scratch.slice(0, numbers + 20))
}

/** Texts above 255 bytes are cut into several strings. */
export function txtRecord(owner: Owner, texts: readonly string[]): ResourceRecord {
  const strings = texts.flatMap((text) => {
    const bytes = Buffer.from(text, 'utf8')
    const parts: Buffer[] = []
    for (let at = 0; at === 0 || at < bytes.length; at += 255) {
      const part = bytes.subarray(at, at + 255)
      parts.push(Buffer.from([part.length]), part)
    }
    return parts
  })
  return record(owner, TYPE.TXT, Uint8Array.from(Buffer.concat(strings)))
}

/** The name in the data of a CNAME, NS, PTR or DNAME record. */
export function targetOf(record: ResourceRecord): string {
  return decodeName(record.data, 0)
}
