import { expect, test } from 'vitest'
import { NetlinkWriter } from '../netlink-message.ts'
import { compileRule } from './compile.ts'
import { decompileRule } from './decompile.ts'
import { encodeInstruction, parseInstructions } from './instructions.ts'
import type { Family, Rule, SetDeclaration } from './objects.ts'
import { formatRule } from './text.ts'

const declarations: SetDeclaration[] = [
  { name: 'svc', key: ['ipv4_addr', 'inet_proto', 'inet_service'], value: 'verdict' },
  {
    name: 'ep',
    key: ['ipv4_addr', 'inet_proto', 'inet_service', 'mark'],
    value: ['ipv4_addr', 'inet_service'],
  },
  {
    name: 'ep6',
    key: ['ipv6_addr', 'inet_proto', 'inet_service', 'mark'],
    value: ['ipv6_addr', 'inet_service'],
  },
  {
    name: 'aff',
    key: ['ipv4_addr', 'ipv4_addr', 'inet_proto', 'inet_service'],
    value: ['ipv4_addr', 'inet_service'],
    dynamic: true,
  },
  { name: 'hairpin', key: ['ipv4_addr', 'ipv4_addr'] },
]
const sets = new Map(declarations.map((set) => [set.name, set]))

/** The text of a rule, and that it comes back from the kernel's bytes as it was. */
function check(text: string, rule: Rule, family: Family = 'ip'): void {
  test(`rule: ${text}`, () => {
    expect(formatRule(rule, family)).toBe(text)
    const writer = new NetlinkWriter()
    for (const instruction of compileRule(rule, family)) encodeInstruction(writer, instruction)
    const read = parseInstructions(Buffer.from(writer.bytes))!
    expect(decompileRule(read, sets)).toEqual(rule)
  })
}

const drop = { type: 'verdict', verdict: 'drop' } as const

check('ip daddr . meta l4proto . th dport vmap @svc', [
  { type: 'vmap', key: ['ip daddr', 'meta l4proto', 'th dport'], map: 'svc' },
])
check('dnat ip to ip daddr . meta l4proto . th dport . numgen random mod 3 map @ep', [
  { type: 'dnat', key: ['ip daddr', 'meta l4proto', 'th dport', 'numgen random mod 3'], map: 'ep' },
])
check(
  'dnat ip6 to ip6 daddr . meta l4proto . th dport . numgen random mod 300 map @ep6',
  [
    {
      type: 'dnat',
      key: ['ip6 daddr', 'meta l4proto', 'th dport', 'numgen random mod 300'],
      map: 'ep6',
    },
  ],
  'ip6',
)
check('ip saddr . ip daddr @hairpin masquerade fully-random', [
  { type: 'lookup', key: ['ip saddr', 'ip daddr'], set: 'hairpin', op: '==' },
  { type: 'masquerade' },
])
check('ip saddr . ip daddr != @hairpin drop', [
  { type: 'lookup', key: ['ip saddr', 'ip daddr'], set: 'hairpin', op: '!=' },
  drop,
])
check('ip saddr != 10.244.0.0/20 meta mark set meta mark | 0x00004000', [
  { type: 'match', field: 'ip saddr', op: '!=', value: '10.244.0.0/20' },
  { type: 'setMark', op: '|', bits: 0x4000 },
])
check('meta mark & 0x80000000 == 0x80000000 meta mark set meta mark ^ 0x80000000', [
  { type: 'match', field: 'meta mark', op: '==', value: '0x80000000', mask: '0x80000000' },
  { type: 'setMark', op: '^', bits: 0x80000000 },
])
check('ip6 daddr fd00:96::/112 drop', [
  { type: 'match', field: 'ip6 daddr', op: '==', value: 'fd00:96::/112' },
  drop,
])
check('iifname "sp*" goto c-3', [
  { type: 'match', field: 'iifname', op: '==', value: 'sp*' },
  { type: 'verdict', verdict: 'goto c-3' },
])
check('iifname != "br0" jump c-3', [
  { type: 'match', field: 'iifname', op: '!=', value: 'br0' },
  { type: 'verdict', verdict: 'jump c-3' },
])
check('ct state new fib daddr type local ip daddr != 127.0.0.0/8 drop', [
  { type: 'match', field: 'ct state', op: '==', value: 'new' },
  { type: 'match', field: 'fib daddr type', op: '==', value: 'local' },
  { type: 'match', field: 'ip daddr', op: '!=', value: '127.0.0.0/8' },
  drop,
])
check('meta l4proto udp reject', [
  { type: 'match', field: 'meta l4proto', op: '==', value: 'udp' },
  { type: 'reject' },
])
check('reject with tcp reset', [
  { type: 'match', field: 'meta l4proto', op: '==', value: 'tcp' },
  { type: 'reject', with: 'tcp reset' },
])
check(
  'update @aff { ip saddr . ct original ip daddr . meta l4proto . ct original proto-dst timeout 3h : ip daddr . th dport }',
  [
    {
      type: 'update',
      set: 'aff',
      key: ['ip saddr', 'ct original ip daddr', 'meta l4proto', 'ct original proto-dst'],
      value: ['ip daddr', 'th dport'],
      timeoutSeconds: 10_800,
    },
  ],
)

test('a rule that is not ours is not understood, rather than misread', () => {
  const load = { name: 'payload', values: { dreg: 0, base: 1, offset: 9, length: 1 } } as const
  expect(decompileRule([load], sets)).toBeUndefined()
})
