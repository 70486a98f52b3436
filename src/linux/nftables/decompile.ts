// Instructions back to statements: runs the register machine on symbols instead of packets, so
// that a ruleset read from the kernel is the same data as the one that was written.
import { formatIp, ipFromBytes } from '../../lib/ip.ts'
import {
  NFT_CMP_NEQ,
  NFT_DYNSET_OP_UPDATE,
  NFT_FIB_RESULT_ADDRTYPE,
  NFT_LOOKUP_F_INV,
  NFT_NG_RANDOM,
  NFT_REJECT_TCP_RST,
  prefixMask,
} from './compile.ts'
import { type DatatypeName, datatypes, paddedLength } from './datatypes.ts'
import { type FieldLoad, type FieldName, fieldLoadedBy, fields } from './fields.ts'
import { type Instruction, verdictRegister } from './instructions.ts'
import type { KeyPart, Rule, SetDeclaration, Statement, Verdict } from './objects.ts'

/** Undefined when the rule does something that our statements cannot say. */
export function decompileRule(
  instructions: readonly Instruction[],
  sets: ReadonlyMap<string, SetDeclaration>,
): Rule | undefined {
  const machine = new SymbolicMachine(sets)
  for (const instruction of instructions) if (!machine.run(instruction)) return undefined
  return machine.statements
}

interface Bitwise {
  readonly mask: Uint8Array
  readonly xor: Uint8Array
}

class SymbolicMachine {
  readonly statements: Statement[] = []
  readonly #sets: ReadonlyMap<string, SetDeclaration>
  readonly #words: (KeyPart | undefined)[] = []
  #bitwise: Bitwise | undefined
  #mapped: { readonly key: readonly KeyPart[]; readonly map: string } | undefined

  constructor(sets: ReadonlyMap<string, SetDeclaration>) {
    this.#sets = sets
  }

  /** False when the instruction has no meaning for us here. */
  run({ name, values }: Instruction): boolean {
    switch (name) {
      case 'payload':
      case 'ct':
      case 'fib':
      case 'numgen':
        return this.#load(name, values)
      case 'meta':
        return 'sreg' in values ? this.#setMark() : this.#load(name, values)
      case 'bitwise':
        this.#bitwise = { mask: values.mask as Uint8Array, xor: values.xor as Uint8Array }
        return values.sreg === 0 && values.dreg === 0
      case 'cmp':
        return this.#compare(values)
      case 'lookup':
        return this.#lookup(values)
      case 'nat':
        return this.#push(this.#mapped && { type: 'dnat', ...this.#mapped })
      case 'masq':
        return this.#push({ type: 'masquerade' })
      case 'reject':
        if (values.kind === NFT_REJECT_TCP_RST)
          return this.#push({ type: 'reject', with: 'tcp reset' })
        return this.#push(values.kind === 0 ? { type: 'reject' } : undefined)
      case 'immediate':
        return this.#push({ type: 'verdict', verdict: values.verdict as Verdict })
      case 'dynset':
        return this.#update(values)
    }
  }

  #push(statement: Statement | undefined): boolean {
    if (statement) this.statements.push(statement)
    return statement !== undefined
  }

  #load(name: Instruction['name'], values: Instruction['values']): boolean {
    const part =
      name === 'numgen'
        ? values.kind === NFT_NG_RANDOM
          ? (`numgen random mod ${values.modulus as number}` as const)
          : undefined
        : fieldOf(name, values)
    this.#words[values.dreg as number] = part
    this.#bitwise = undefined
    return part !== undefined
  }

  #key(datatypeNames: readonly DatatypeName[], from: number): KeyPart[] | undefined {
    let word = from
    const key: KeyPart[] = []
    for (const datatype of datatypeNames) {
      const part = this.#words[word]
      if (part === undefined) return undefined
      key.push(part)
      word += paddedLength(datatype) / 4
    }
    return key
  }

  #lookup(values: Instruction['values']): boolean {
    const declaration = this.#sets.get(values.set as string)
    const key = declaration && this.#key(declaration.key, values.sreg as number)
    if (!declaration || !key) return false
    const { name } = declaration
    if (values.dreg === undefined) {
      const op = ((values.flags ?? 0) as number) & NFT_LOOKUP_F_INV ? '!=' : '=='
      return this.#push({ type: 'lookup', key, set: name, op })
    }
    if (values.dreg === verdictRegister) return this.#push({ type: 'vmap', key, map: name })
    this.#mapped = { key, map: name }
    return true
  }

  #update(values: Instruction['values']): boolean {
    const declaration = this.#sets.get(values.set as string)
    if (!declaration || !Array.isArray(declaration.value)) return false
    const key = this.#key(declaration.key, values.keyReg as number)
    const value = this.#key(declaration.value as DatatypeName[], values.dataReg as number)
    if (!key || !value || values.op !== NFT_DYNSET_OP_UPDATE) return false
    const timeoutSeconds = (values.timeoutMs as number) / 1000
    return this.#push({ type: 'update', set: declaration.name, key, value, timeoutSeconds })
  }

  #setMark(): boolean {
    if (this.#words[0] !== 'meta mark' || !this.#bitwise) return false
    const bits = markOf(this.#bitwise.xor)
    const mask = markOf(this.#bitwise.mask)
    if (mask === 0xffffffff) return this.#push({ type: 'setMark', op: '^', bits })
    return this.#push(mask === ~bits >>> 0 ? { type: 'setMark', op: '|', bits } : undefined)
  }

  #compare(values: Instruction['values']): boolean {
    const field = this.#words[values.sreg as number]
    if (field === undefined || !Object.hasOwn(fields, field)) return false
    const data = values.data as Uint8Array
    const not = values.op === NFT_CMP_NEQ
    return this.#push(matchOf({ field: field as FieldName, data, not, bitwise: this.#bitwise }))
  }
}

function matchOf(compare: {
  field: FieldName
  data: Uint8Array
  not: boolean
  bitwise: Bitwise | undefined
}): Statement | undefined {
  const { field, data, not, bitwise } = compare
  const { datatype } = fields[field]
  const type = datatypes[datatype]
  const op = not ? '!=' : '=='
  if (datatype === 'ct_state') {
    const isBitTest = not && bitwise && markOf(data) === 0
    return isBitTest
      ? { type: 'match', field, op: '==', value: type.read(bitwise.mask, 0) }
      : undefined
  }
  if (datatype === 'ifname' && data.length < type.length)
    return { type: 'match', field, op, value: `${Buffer.from(data).toString()}*` }
  if (data.length !== type.length) return undefined
  if (!bitwise) return { type: 'match', field, op, value: type.read(data, 0) }
  if (datatype === 'mark')
    return { type: 'match', field, op, value: type.read(data, 0), mask: type.read(bitwise.mask, 0) }
  const prefix = prefixOf(bitwise.mask)
  return prefix === undefined
    ? undefined
    : { type: 'match', field, op, value: `${formatIp(ipFromBytes(data))}/${prefix}` }
}

/** The length of a mask of leading ones. */
export function prefixOf(mask: Uint8Array): number | undefined {
  const prefix = mask.reduce((sum, byte) => sum + popcount(byte), 0)
  return Buffer.from(prefixMask(prefix, mask.length)).equals(mask) ? prefix : undefined
}

function popcount(byte: number): number {
  let count = 0
  for (let rest = byte; rest !== 0; rest &= rest - 1) count++
  return count
}

function markOf(bytes: Uint8Array): number {
  return Number(datatypes.mark.read(bytes, 0))
}

function fieldOf(name: Instruction['name'], values: Instruction['values']): FieldName | undefined {
  const load = loadOf(name, values)
  const field = load && fieldLoadedBy(load)
  const hasOwnWidth = name !== 'payload' || values.length === (field && widthOf(field))
  return hasOwnWidth ? field : undefined
}

function loadOf(name: Instruction['name'], values: Instruction['values']): FieldLoad | undefined {
  const key = values.key as number
  if (name === 'payload')
    return {
      from: 'payload',
      base: values.base as number,
      offset: values.offset as number,
    }
  if (name === 'meta') return { from: 'meta', key }
  if (name === 'ct')
    return values.direction === undefined
      ? { from: 'ct', key }
      : { from: 'ct', key, direction: values.direction as number }
  if (name === 'fib' && values.result === NFT_FIB_RESULT_ADDRTYPE)
    return { from: 'fib', flags: values.flags as number }
  return undefined
}

function widthOf(field: FieldName): number {
  return datatypes[fields[field].datatype].length
}
