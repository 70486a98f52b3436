// The fields of a packet that rules read: how nf_tables loads each, and the type it has.
import type { DatatypeName } from './datatypes.ts'

export type FieldLoad =
  | { readonly from: 'payload'; readonly base: number; readonly offset: number }
  | { readonly from: 'meta'; readonly key: number }
  | { readonly from: 'ct'; readonly key: number; readonly direction?: number }
  /** The type of an address, as routing sees it. */
  | { readonly from: 'fib'; readonly flags: number }

export interface Field {
  readonly datatype: DatatypeName
  readonly load: FieldLoad
}

export type FieldName = keyof typeof fields

const network = 1
const transport = 2
const original = 0

export const fields = {
  'ip saddr': { datatype: 'ipv4_addr', load: { from: 'payload', base: network, offset: 12 } },
  'ip daddr': { datatype: 'ipv4_addr', load: { from: 'payload', base: network, offset: 16 } },
  'ip6 saddr': { datatype: 'ipv6_addr', load: { from: 'payload', base: network, offset: 8 } },
  'ip6 daddr': { datatype: 'ipv6_addr', load: { from: 'payload', base: network, offset: 24 } },
  'th sport': { datatype: 'inet_service', load: { from: 'payload', base: transport, offset: 0 } },
  'th dport': { datatype: 'inet_service', load: { from: 'payload', base: transport, offset: 2 } },
  'meta mark': { datatype: 'mark', load: { from: 'meta', key: 3 } },
  iifname: { datatype: 'ifname', load: { from: 'meta', key: 6 } },
  oifname: { datatype: 'ifname', load: { from: 'meta', key: 7 } },
  'meta l4proto': { datatype: 'inet_proto', load: { from: 'meta', key: 16 } },
  'ct state': { datatype: 'ct_state', load: { from: 'ct', key: 0 } },
  'ct original proto-dst': {
    datatype: 'inet_service',
    load: { from: 'ct', key: 12, direction: original },
  },
  'ct original ip daddr': {
    datatype: 'ipv4_addr',
    load: { from: 'ct', key: 20, direction: original },
  },
  'ct original ip6 daddr': {
    datatype: 'ipv6_addr',
    load: { from: 'ct', key: 22, direction: original },
  },
  'fib saddr type': { datatype: 'fib_addrtype', load: { from: 'fib', flags: 1 } },
  'fib daddr type': { datatype: 'fib_addrtype', load: { from: 'fib', flags: 2 } },
} as const satisfies Readonly<Record<string, Field>>

/** The field that is loaded in this way and width; undefined when it is none of ours. */
export function fieldLoadedBy(load: FieldLoad): FieldName | undefined {
  const wanted = JSON.stringify(load)
  return fieldNames.find((name) => JSON.stringify(fields[name].load) === wanted)
}

const fieldNames = Object.keys(fields) as FieldName[]
