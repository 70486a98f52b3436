// The type checker: resolves names and overloads, expands macros, and finds what cel-go's checker
// finds, in its words and at its places.
import type { Call, Expr, FoldKind } from './expr.ts'
import { foldType } from './fold-type.ts'
import { findOverloads, isNamespaced } from './functions.ts'
import { literalOf } from './literal.ts'
import { matchOverload } from './match.ts'
import { folds, operatorNames, qualifiedName, typeNames } from './names.ts'
import type { Overload } from './overload.ts'
import type { Scope, Variables } from './scope.ts'
import { scopeOf } from './scope.ts'
import { settle } from './settle.ts'
import type { Ast } from './syntax.ts'
import { issue, positionOf } from './syntax.ts'
import type { Type } from './types.ts'
import {
  formatType,
  isAssignable,
  isDyn,
  listOf,
  mapOf,
  optionalOf,
  Substitution,
  types,
  unwrapOptional,
} from './types.ts'
import { TypeValue } from './values.ts'

export type Checked =
  | { readonly ok: true; readonly expr: Expr }
  | { readonly ok: false; readonly message: string }

export function check(ast: Ast, variables: Variables): Checked {
  const checker = new Checker(ast.input)
  const expr = checker.check(ast, scopeOf(variables))
  const problems = checker.problems
  return problems.length === 0
    ? { ok: true, expr: checker.settled(expr) }
    : { ok: false, message: problems.join('\n') }
}

const maxInt = 2n ** 63n

class Checker {
  readonly problems: string[] = []
  readonly #text: string
  readonly #bound = new Substitution()
  #parameters = 0

  constructor(text: string) {
    this.#text = text
  }

  settled(expr: Expr): Expr {
    return settle(expr, this.#bound)
  }

  check(node: Ast, scope: Scope): Expr {
    switch (node.op) {
      case 'value':
        return this.#literal(node)
      case 'id':
        return this.#ident(node, scope)
      case '.':
        return this.#select(node, scope, 'value')
      case '.?':
        return this.#select(node, scope, 'optional')
      case 'call': {
        const [name, args] = node.args
        return name === 'has' && args.length === 1
          ? this.#has(args[0] as Ast, node, scope)
          : this.#call(node, { name, args, scope })
      }
      case 'rcall':
        return this.#member(node, scope)
      case 'list':
        return this.#list(node.args, scope)
      case 'map':
        return this.#map(node.args, scope)
      case '?:':
        return this.#conditional(node, node.args as unknown as readonly [Ast, Ast, Ast], scope)
      case '&&':
      case '||':
        return this.#logical(node, scope)
      case '!_':
        return this.#operator(node, [node.args], scope)
      case '-_':
        return this.#negation(node, node.args, scope)
      default:
        return this.#operator(node, node.args as readonly Ast[], scope)
    }
  }

  #report(node: Ast, message: string): Type {
    this.#reportAt(positionOf(node), message)
    return types.error
  }

  #reportAt(position: number, message: string): void {
    this.problems.push(issue(this.#text, position, message))
  }

  #fresh(): Type {
    return { kind: 'param', name: `_var${this.#parameters++}` }
  }

  #settled(type: Type): Type {
    return this.#bound.apply(type)
  }

  #literal(node: Ast & { readonly op: 'value' }): Expr {
    const literal = literalOf(node.args)
    if (typeof literal.value === 'bigint' && literal.value >= maxInt) {
      this.#report(node, 'Syntax error: invalid int literal')
    }
    return literal
  }

  #ident(node: Ast & { readonly op: 'id' }, scope: Scope): Expr {
    const name = node.args
    const type = scope.find(name)
    if (type) return { op: 'ident', type, name }
    const typeName = typeNames[name]
    if (typeName !== undefined && Object.hasOwn(typeNames, name)) {
      return { op: 'const', type: types.type, value: new TypeValue(typeName) }
    }
    return { op: 'ident', type: this.#undeclared(node, name), name }
  }

  #undeclared(node: Ast, name: string): Type {
    return this.#report(node, `undeclared reference to '${name}' (in container '')`)
  }

  #select(
    node: Ast & { readonly op: '.' | '.?' },
    scope: Scope,
    mode: 'value' | 'has' | 'optional',
  ): Expr {
    const [inner, field] = node.args
    const qualified = qualifiedName(node)
    const typeName = qualified === undefined ? undefined : typeNames[qualified]
    const variable = qualified === undefined ? undefined : scope.find(qualified)
    if (mode === 'value' && variable) return { op: 'ident', type: variable, name: qualified ?? '' }
    if (mode === 'value' && typeName !== undefined && qualified?.includes('.')) {
      return { op: 'const', type: types.type, value: new TypeValue(typeName) }
    }
    const operand = this.check(inner, scope)
    const found = this.#fieldType(node, operand.type, field)
    const wrapped = mode === 'optional' || unwrapOptional(this.#settled(operand.type)) !== undefined
    const type = mode === 'has' ? types.bool : wrapped ? optionalOf(found) : found
    return { op: 'select', type, operand, field, mode }
  }

  #fieldType(node: Ast, operandType: Type, field: string): Type {
    const settled = this.#settled(operandType)
    const target = unwrapOptional(settled) ?? settled
    if (target.kind === 'map') return target.value
    if (target.kind === 'object') {
      const declared = target.fields.get(field)
      return declared?.type ?? this.#report(node, `undefined field '${field}'`)
    }
    if (target.kind === 'param') {
      isAssignable(types.dyn, target, this.#bound)
      return types.dyn
    }
    if (isDyn(target)) return types.dyn
    this.#report(node, `type '${formatType(target)}' does not support field selection`)
    return types.dyn
  }

  #has(argument: Ast, node: Ast, scope: Scope): Expr {
    if (argument.op === '.') return this.#select(argument, scope, 'has')
    const type = this.#report(node, 'invalid argument to has() macro')
    return { op: 'const', type, value: false }
  }

  #member(node: Ast & { readonly op: 'rcall' }, scope: Scope): Expr {
    const [name, receiver, args] = node.args
    if (name === 'bind' && qualifiedName(receiver) === 'cel' && args.length === 3) {
      return this.#bind(args as unknown as readonly [Ast, Ast, Ast], scope)
    }
    const prefix = qualifiedName(receiver)
    if (prefix !== undefined && isNamespaced(`${prefix}.${name}`)) {
      return this.#call(node, { name: `${prefix}.${name}`, args, scope })
    }
    if ((name === 'optMap' || name === 'optFlatMap') && args.length === 2) {
      return this.#optional(node, scope)
    }
    const fold = Object.hasOwn(folds, name) ? folds[name] : undefined
    if (fold && args.length >= 2 && args.length <= 4) {
      const made = this.#fold(node, fold, scope)
      if (made) return made
    }
    return this.#call(node, { name, args, scope, receiver })
  }

  #bind([variable, init, body]: readonly [Ast, Ast, Ast], scope: Scope): Expr {
    const name = this.#variable(variable)
    const value = this.check(init, scope)
    const checked = this.check(body, scopeOf({ [name]: value.type }, scope))
    return { op: 'bind', type: checked.type, name, value, body: checked }
  }

  #variable(node: Ast | undefined): string {
    if (node?.op === 'id') return node.args
    if (node) this.#report(node, 'argument must be a simple name')
    return ''
  }

  #optional(node: Ast & { readonly op: 'rcall' }, scope: Scope): Expr {
    const [macro, receiver, args] = node.args
    const operand = this.check(receiver, scope)
    const inner = this.#fresh()
    if (!isAssignable(operand.type, optionalOf(inner), this.#bound)) {
      this.#report(
        node,
        `found no matching overload for '${macro}' applied to '${formatType(this.#settled(operand.type))}'`,
      )
    }
    const name = this.#variable(args[0])
    const body = this.check(args[1] as Ast, scopeOf({ [name]: inner }, scope))
    const flat = macro === 'optFlatMap'
    const type = flat ? body.type : optionalOf(body.type)
    return { op: 'optional', type, name, operand, body, flat }
  }

  /** undefined: not the macro after all, but a function of its name. */
  #fold(node: Ast & { readonly op: 'rcall' }, fold: FoldKind, scope: Scope): Expr | undefined {
    const [macro, receiver, args] = node.args
    const transforms = macro.startsWith('transform')
    const two = transforms || (args.length === 3 && args[1]?.op === 'id' && fold !== 'map')
    const rest = args.length - (two ? 2 : 1)
    const allowed = fold === 'map' || fold === 'transformMap' ? [1, 2] : [1]
    if (!allowed.includes(rest)) return undefined
    if (args[0]?.op !== 'id') {
      const type = this.#report(args[0] as Ast, 'argument must be a simple name')
      return { op: 'const', type, value: false }
    }
    const range = this.check(receiver, scope)
    const [item, second] = this.#rangeTypes(receiver, range.type, two)
    const names = args.slice(0, two ? 2 : 1).map((one) => this.#variable(one))
    const [first = '', other] = names
    const inner = scopeOf(
      { [first]: item, ...(other === undefined ? {} : { [other]: second }) },
      scope,
    )
    const bodies = args.slice(two ? 2 : 1)
    const condition = bodies.length > 1 ? this.#boolean(bodies[0] as Ast, inner) : undefined
    const last = bodies.at(-1) as Ast
    const predicate = fold !== 'map' && fold !== 'transformMap'
    const body = predicate ? this.#boolean(last, inner) : this.check(last, inner)
    const type = foldType(fold, { item, body: body.type, range: this.#settled(range.type) })
    return { op: 'fold', type, fold, range, variables: names, condition, body }
  }

  /** What the variables of a fold are: the item, or index and item, or key and value. */
  #rangeTypes(node: Ast, type: Type, two: boolean): readonly [first: Type, second: Type] {
    const range = this.#settled(type)
    if (range.kind === 'list') return two ? [types.int, range.element] : [range.element, types.dyn]
    if (range.kind === 'map') return [range.key, range.value]
    if (!isDyn(range) && range.kind !== 'param') {
      this.#report(
        node,
        `expression of type '${formatType(range)}' cannot be range of a comprehension (must be list, map, or dynamic)`,
      )
    }
    return [types.dyn, types.dyn]
  }

  #boolean(node: Ast, scope: Scope): Expr {
    const expr = this.check(node, scope)
    this.#expect(node, expr.type, types.bool)
    return expr
  }

  #expect(node: Ast, found: Type, wanted: Type): void {
    if (isAssignable(found, wanted, this.#bound)) return
    const shown = [wanted, found].map((type) => formatType(this.#settled(type)))
    this.#report(node, `expected type '${shown[0]}' but found '${shown[1]}'`)
  }

  #logical(node: Ast & { readonly op: '&&' | '||' }, scope: Scope): Expr {
    const [left, right] = node.args.map((one) => this.#boolean(one, scope)) as unknown as [
      Expr,
      Expr,
    ]
    return { op: node.op === '&&' ? 'and' : 'or', type: types.bool, left, right }
  }

  #conditional(node: Ast, args: readonly [Ast, Ast, Ast], scope: Scope): Expr {
    const [test, yes, no] = args.map((one) => this.check(one, scope)) as unknown as [
      Expr,
      Expr,
      Expr,
    ]
    const type = this.#fresh()
    const fits =
      isAssignable(test.type, types.bool, this.#bound) &&
      isAssignable(yes.type, type, this.#bound) &&
      isAssignable(no.type, type, this.#bound)
    const found = fits ? type : this.#noOverload(node, { name: '_?_:_', args: [test, yes, no] })
    return { op: 'cond', type: found, test, yes, no }
  }

  #list(items: readonly Ast[], scope: Scope): Expr {
    const checked = items.map((item) => this.check(item, scope))
    const element = this.#common(items, checked)
    return { op: 'list', type: listOf(element), items: checked }
  }

  #map(entries: readonly (readonly [Ast, Ast])[], scope: Scope): Expr {
    const checked = entries.map(
      ([key, value]) => [this.check(key, scope), this.check(value, scope)] as const,
    )
    const keys = this.#common(
      entries.map(([key]) => key),
      checked.map(([key]) => key),
    )
    const values = this.#common(
      entries.map(([, value]) => value),
      checked.map(([, value]) => value),
    )
    return { op: 'map', type: mapOf(keys, values), entries: checked }
  }

  /** One type for all parts of a literal: Kubernetes wants them homogeneous. */
  #common(nodes: readonly Ast[], parts: readonly Expr[]): Type {
    const [first] = parts
    if (!first) return this.#fresh()
    let common = first.type
    parts.forEach((part, index) => {
      if (isDyn(this.#settled(part.type))) common = types.dyn
      else this.#expect(nodes[index] as Ast, part.type, common)
    })
    return common
  }

  /** The smallest int has no literal of its own. */
  #negation(node: Ast, operand: Ast, scope: Scope): Expr {
    const literal = operand.op === 'value' ? operand.args : undefined
    if (typeof literal === 'bigint' && literal <= maxInt) {
      return { op: 'const', type: types.int, value: -literal }
    }
    if (typeof literal === 'number') return { op: 'const', type: types.double, value: -literal }
    return this.#operator(node, [operand], scope)
  }

  #operator(node: Ast, operands: readonly Ast[], scope: Scope): Expr {
    const name = operatorNames[node.op] ?? `_${node.op}_`
    return this.#call(node, { name, args: operands, scope })
  }

  #call(
    node: Ast,
    call: {
      readonly name: string
      readonly args: readonly Ast[]
      readonly scope: Scope
      readonly receiver?: Ast
    },
  ): Expr {
    const { name, scope, receiver } = call
    const member = receiver !== undefined
    const nodes = receiver === undefined ? call.args : [receiver, ...call.args]
    const args = nodes.map((one) => this.check(one, scope))
    const declared = findOverloads(name)
    const made = { op: 'call' as const, name, args, member }
    if (!declared) return { ...made, type: this.#undeclared(node, name), overloads: [] }
    const fitting = declared.filter((one) => one.member === member)
    return { ...made, ...this.#resolve(node, { ...made, overloads: fitting, type: types.dyn }) }
  }

  #resolve(node: Ast, call: Call): Pick<Call, 'type' | 'overloads'> {
    const overloads: Overload[] = []
    let result: Type | undefined
    for (const candidate of call.overloads) {
      const type = matchOverload(
        candidate,
        call.args.map((arg) => arg.type),
        { bound: this.#bound, fresh: () => this.#fresh() },
      )
      if (!type) continue
      overloads.push(candidate)
      if (result === undefined) result = type
      else if (formatType(type) !== formatType(result)) result = types.dyn
    }
    return { type: result ?? this.#noOverload(node, call), overloads }
  }

  #noOverload(
    node: Ast,
    { name, args, member = false }: Pick<Call, 'name' | 'args'> & { readonly member?: boolean },
  ): Type {
    const shown = args.map((arg) => formatType(this.#bound.apply(arg.type, 'dyn')))
    const receiver = member ? `${shown.shift()}.` : ''
    const signature = `${receiver}(${shown.join(', ')})`
    return this.#report(node, `found no matching overload for '${name}' applied to '${signature}'`)
  }
}
