// A rule's statements to instructions of the register machine. decompile.ts is the way back.
import { parseCidr } from '../../lib/ip.ts'
import { ctStates, datatypes, paddedLength } from './datatypes.ts'
import { type FieldName, fields } from './fields.ts'
import { type Instruction, verdictRegister } from './instructions.ts'
import type {
  Family,
  KeyPart,
  MatchStatement,
  Rule,
  Statement,
  UpdateStatement,
} from './objects.ts'

export const NFT_CMP_EQ = 0
export const NFT_CMP_NEQ = 1
export const NFT_LOOKUP_F_INV = 1
export const NFT_FIB_RESULT_ADDRTYPE = 3
export const NFT_REJECT_TCP_RST = 1
export const NFT_NG_RANDOM = 1
export const NFT_NAT_DNAT = 1
export const NFT_DYNSET_OP_UPDATE = 1
/** Address and port are both given by the map. */
export const NF_NAT_RANGE_MAP_IPS_AND_PORT = 3
export const NF_NAT_RANGE_PROTO_RANDOM_FULLY = 16

export const familyNumbers: Readonly<Record<Family, number>> = { ip: 2, ip6: 10 }

export function compileRule(rule: Rule, family: Family): Instruction[] {
  return rule.flatMap((statement) => compileStatement(statement, family))
}

function compileStatement(statement: Statement, family: Family): Instruction[] {
  switch (statement.type) {
    case 'match':
      return compileMatch(statement)
    case 'lookup': {
      const { key, set, op } = statement
      const flags = op === '!=' ? { flags: NFT_LOOKUP_F_INV } : {}
      return [...loadKey(key), { name: 'lookup', values: { set, sreg: 0, ...flags } }]
    }
    case 'vmap':
      return [
        ...loadKey(statement.key),
        { name: 'lookup', values: { set: statement.map, sreg: 0, dreg: verdictRegister } },
      ]
    case 'dnat':
      return [
        ...loadKey(statement.key),
        { name: 'lookup', values: { set: statement.map, sreg: 0, dreg: 0 } },
        destinationNat(family),
      ]
    case 'setMark':
      return compileSetMark(statement.op, statement.bits)
    case 'masquerade':
      return [{ name: 'masq', values: { flags: NF_NAT_RANGE_PROTO_RANDOM_FULLY } }]
    case 'reject':
      if (statement.with) return [{ name: 'reject', values: { kind: NFT_REJECT_TCP_RST, code: 0 } }]
      // Port unreachable: code 3 of ICMP, 4 of ICMPv6.
      return [{ name: 'reject', values: { kind: 0, code: family === 'ip' ? 3 : 4 } }]
    case 'update':
      return compileUpdate(statement)
    case 'verdict':
      return [{ name: 'immediate', values: { dreg: verdictRegister, verdict: statement.verdict } }]
    case 'unknown':
      throw new TypeError('cannot encode a rule that was not understood when it was read')
  }
}

function destinationNat(family: Family): Instruction {
  const portWord = paddedLength(family === 'ip' ? 'ipv4_addr' : 'ipv6_addr') / 4
  return {
    name: 'nat',
    values: {
      kind: NFT_NAT_DNAT,
      family: familyNumbers[family],
      addrMin: 0,
      addrMax: 0,
      protoMin: portWord,
      protoMax: portWord,
      flags: NF_NAT_RANGE_MAP_IPS_AND_PORT,
    },
  }
}

/** Loads the parts one behind the other from a word on, as the key of a concatenation lies. */
function loadKey(key: readonly KeyPart[], from = 0): Instruction[] {
  let word = from
  return key.map((part) => {
    const instruction = loadPart(part, word)
    word += wordsOf(part)
    return instruction
  })
}

export function wordsOf(part: KeyPart): number {
  return isField(part) ? paddedLength(fields[part].datatype) / 4 : 1
}

export function isField(part: KeyPart): part is FieldName {
  return Object.hasOwn(fields, part)
}

/** N of "numgen random mod N". */
export function modulusOf(part: KeyPart): number {
  return Number(part.slice('numgen random mod '.length))
}

function loadPart(part: KeyPart, dreg: number): Instruction {
  if (!isField(part)) {
    const values = { dreg, modulus: modulusOf(part), kind: NFT_NG_RANDOM, offset: 0 }
    return { name: 'numgen', values }
  }
  const { datatype, load } = fields[part]
  switch (load.from) {
    case 'payload': {
      const { base, offset } = load
      return {
        name: 'payload',
        values: { dreg, base, offset, length: datatypes[datatype].length },
      }
    }
    case 'meta':
      return { name: 'meta', values: { dreg, key: load.key } }
    case 'ct': {
      const direction = 'direction' in load ? { direction: load.direction } : {}
      return { name: 'ct', values: { dreg, key: load.key, ...direction } }
    }
    case 'fib':
      return { name: 'fib', values: { dreg, result: NFT_FIB_RESULT_ADDRTYPE, flags: load.flags } }
  }
}

function compileMatch({ field, op, value, mask }: MatchStatement): Instruction[] {
  const { datatype } = fields[field]
  const { length } = datatypes[datatype]
  const load = loadPart(field, 0)
  const compare = (data: Uint8Array, not = op === '!='): Instruction => ({
    name: 'cmp',
    values: { sreg: 0, op: not ? NFT_CMP_NEQ : NFT_CMP_EQ, data },
  })
  const masked = (bits: Uint8Array): Instruction => ({
    name: 'bitwise',
    values: { sreg: 0, dreg: 0, length, mask: bits, xor: new Uint8Array(length) },
  })
  if (datatype === 'ct_state') {
    if (op === '!=' || ctStates[value] === undefined)
      throw new RangeError(`cannot encode "ct state ${op} ${value}"`)
    // A state is a bit: "is one of these" reads (state & bits) != 0.
    return [load, masked(bytesOf(datatype, value)), compare(new Uint8Array(length), true)]
  }
  if (datatype === 'ifname' && value.endsWith('*'))
    return [load, compare(new Uint8Array(Buffer.from(value.slice(0, -1))))]
  const prefix = value.includes('/') ? parseCidr(value) : undefined
  if (prefix) {
    const base = bytesOf(datatype, value.slice(0, value.indexOf('/')))
    return [load, masked(prefixMask(prefix.prefix, length)), compare(base)]
  }
  const data = bytesOf(datatype, value)
  return mask === undefined
    ? [load, compare(data)]
    : [load, masked(bytesOf(datatype, mask)), compare(data)]
}

function bytesOf(datatype: keyof typeof datatypes, text: string): Uint8Array {
  const bytes = new Uint8Array(datatypes[datatype].length)
  datatypes[datatype].write(text, bytes, 0)
  return bytes
}

/** The first `prefix` bits set. */
export function prefixMask(prefix: number, length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => {
    const bits = Math.min(8, Math.max(0, prefix - index * 8))
    return (0xff00 >> bits) & 0xff
  })
}

/** Either is (mark & mask) ^ xor in the kernel. */
function compileSetMark(op: '|' | '^', bits: number): Instruction[] {
  const mask = op === '|' ? ~bits >>> 0 : 0xffffffff
  const key = fields['meta mark'].load.key
  return [
    { name: 'meta', values: { dreg: 0, key } },
    {
      name: 'bitwise',
      values: {
        sreg: 0,
        dreg: 0,
        length: 4,
        mask: bytesOf('mark', String(mask)),
        xor: bytesOf('mark', String(bits)),
      },
    },
    { name: 'meta', values: { key, sreg: 0 } },
  ]
}

function compileUpdate({ set, key, value, timeoutSeconds }: UpdateStatement): Instruction[] {
  const dataReg = key.reduce((sum, part) => sum + wordsOf(part), 0)
  return [
    ...loadKey(key),
    ...loadKey(value, dataReg),
    {
      name: 'dynset',
      values: {
        set,
        op: NFT_DYNSET_OP_UPDATE,
        keyReg: 0,
        dataReg,
        timeoutMs: timeoutSeconds * 1000,
      },
    },
  ]
}
