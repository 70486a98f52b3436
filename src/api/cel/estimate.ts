// What an expression costs at worst, before it runs: cel-go's static estimate, with the sizes that
// schemas allow. Upstream refuses rules by it, so its figures are kept to.
import type { Call, Expr, Fold } from './expr.ts'
import type { Overload } from './overload.ts'
import type { Range } from './range.ts'
import { add, fixed, multiply, one, union, unknownSize, zero } from './range.ts'
import type { Type } from './types.ts'
import { unwrapOptional } from './types.ts'

/** What is known of a node beside its cost. */
interface Estimate {
  readonly cost: Range
  readonly size?: Range | undefined
  /** Of the items of a list, the values of a map. */
  readonly item?: Range | undefined
  readonly key?: Range | undefined
}

type Locals = ReadonlyMap<string, Estimate>

export const listCost = 10
export const mapCost = 30

/** Cost units at least and at most. */
export const estimateCost = (expr: Expr): Range => estimate(expr, new Map()).cost

const scalars: ReadonlySet<string> = new Set([
  'bool',
  'double',
  'duration',
  'int',
  'timestamp',
  'uint',
])

/** By the type alone: what its schema allows, or 1 for what has no length. */
function sizeOfType(type: Type): Range | undefined {
  if (type.maxElements !== undefined) return { min: 0, max: type.maxElements }
  if (scalars.has(type.kind)) return one
  const inner = unwrapOptional(type)
  return inner && scalars.has(inner.kind) ? one : undefined
}

const itemType = (type: Type): Type | undefined =>
  type.kind === 'list' ? type.element : type.kind === 'map' ? type.value : undefined

function typed(type: Type, cost: Range): Estimate {
  const item = itemType(type)
  const key = type.kind === 'map' ? type.key : undefined
  return {
    cost,
    size: sizeOfType(type),
    item: item && sizeOfType(item),
    key: key && sizeOfType(key),
  }
}

function estimate(expr: Expr, locals: Locals): Estimate {
  switch (expr.op) {
    case 'const':
      return { cost: zero, size: fixed(constantSize(expr.value)) }
    case 'ident': {
      const local = locals.get(expr.name)
      return local ? { ...local, cost: one } : typed(expr.type, one)
    }
    case 'select':
      return selectCost(expr, locals)
    case 'and':
    case 'or': {
      const left = estimate(expr.left, locals).cost
      const right = estimate(expr.right, locals).cost
      return { cost: { min: left.min, max: add(left, right).max }, size: one }
    }
    case 'cond':
      return conditionalCost(expr, locals)
    case 'list':
      return literalCost(expr.items, locals)
    case 'map': {
      const keys = literalCost(
        expr.entries.map(([key]) => key),
        locals,
      )
      const values = literalCost(
        expr.entries.map(([, value]) => value),
        locals,
      )
      const cost = add(keys.cost, values.cost, fixed(mapCost - 2 * listCost))
      return { cost, size: values.size, key: keys.item, item: values.item }
    }
    case 'bind': {
      const value = estimate(expr.value, locals)
      const body = estimate(expr.body, new Map([...locals, [expr.name, value]]))
      return { ...body, cost: add(fixed(listCost), value.cost, body.cost) }
    }
    case 'optional': {
      const operand = estimate(expr.operand, locals)
      const body = estimate(expr.body, new Map([...locals, [expr.name, operand]]))
      return { ...body, cost: add(operand.cost, fixed(listCost + 2), body.cost) }
    }
    case 'fold':
      return foldCost(expr, locals)
    case 'call':
      return callCost(expr, locals)
  }
}

function constantSize(value: unknown): number {
  if (typeof value === 'string') return [...value].length
  return value instanceof Uint8Array ? value.length : 1
}

function selectCost(expr: Expr & { readonly op: 'select' }, locals: Locals): Estimate {
  const operand = estimate(expr.operand, locals)
  if (expr.mode === 'has') return { cost: add(one, operand.cost), size: one }
  const target = unwrapOptional(expr.operand.type) ?? expr.operand.type
  const priced = target.kind === 'map' || target.kind === 'object' || target.kind === 'param'
  const cost = priced ? add(operand.cost, one) : operand.cost
  const inner = unwrapOptional(expr.type) ?? expr.type
  return typed(inner, cost)
}

function conditionalCost(expr: Expr & { readonly op: 'cond' }, locals: Locals): Estimate {
  const test = estimate(expr.test, locals)
  const yes = estimate(expr.yes, locals)
  const no = estimate(expr.no, locals)
  return {
    cost: add(test.cost, union(yes.cost, no.cost)),
    size: union(yes.size ?? unknownSize, no.size ?? unknownSize),
    item: yes.item && no.item && union(yes.item, no.item),
    key: yes.key && no.key && union(yes.key, no.key),
  }
}

function literalCost(items: readonly Expr[], locals: Locals): Estimate {
  const parts = items.map((item) => estimate(item, locals))
  const sizes = parts.map(({ size }) => size ?? unknownSize)
  return {
    cost: add(fixed(listCost), ...parts.map(({ cost }) => cost)),
    size: fixed(items.length),
    item: sizes.length === 0 ? zero : sizes.reduce(union),
    key: one,
  }
}

function foldCost(expr: Fold, locals: Locals): Estimate {
  const range = estimate(expr.range, locals)
  const inner = new Map(locals)
  const [first = '', second] = expr.variables
  const kind = expr.range.type.kind
  const itemOfRange: Estimate = elementOf(expr.range.type, range)
  const keyOfRange: Estimate = { cost: one, size: kind === 'list' ? one : range.key }
  if (second === undefined) inner.set(first, kind === 'map' ? keyOfRange : itemOfRange)
  else inner.set(first, keyOfRange).set(second, itemOfRange)
  const body = estimate(expr.body, inner)
  const condition = expr.condition && estimate(expr.condition, inner)
  const { init, step, result } = loopCosts(expr, body.cost, condition?.cost)
  const size = range.size ?? unknownSize
  const cost = add(range.cost, init, result, multiply(size, step))
  if (expr.fold === 'map') return { cost, size, item: body.size }
  if (expr.fold === 'filter') return { cost, size, item: itemOfRange.size }
  return { cost, size: expr.fold === 'transformMap' ? size : one }
}

function elementOf(type: Type, range: Estimate): Estimate {
  const item = itemType(type)
  if (!item) return { cost: one, size: range.item }
  const made = typed(item, one)
  return { ...made, size: made.size ?? range.item }
}

interface LoopCosts {
  readonly init: Range
  readonly step: Range
  readonly result: Range
}

/** What the macro expands to, priced: accumulator, condition, step, result. */
function loopCosts(expr: Fold, body: Range, condition: Range | undefined): LoopCosts {
  const guarded = { min: 1, max: add(one, body).max }
  switch (expr.fold) {
    case 'all':
      return { init: zero, step: add(guarded, fixed(2)), result: one }
    case 'exists':
      return { init: zero, step: add(guarded, fixed(3)), result: one }
    case 'existsOne':
      return { init: zero, step: add(body, { min: 1, max: 2 }), result: fixed(2) }
    case 'filter':
      return {
        init: fixed(listCost),
        step: add(body, { min: 1, max: listCost + 3 }),
        result: one,
      }
    default: {
      const base = expr.fold === 'map' ? listCost : mapCost
      const grown = add(fixed(base + 2), body)
      const step = condition ? add(condition, union(grown, one)) : grown
      return { init: fixed(base), step, result: one }
    }
  }
}

function callCost(expr: Call, locals: Locals): Estimate {
  const args = expr.args.map((arg) => estimate(arg, locals))
  const argsCost = add(zero, ...args.map(({ cost }) => cost))
  const prices = expr.overloads.map((overload) => priceOf(overload, args))
  if (prices.length === 0) return { cost: argsCost }
  const cost = add(argsCost, prices.map((price) => price.cost).reduce(union))
  const sizes = prices.flatMap(({ size }) => (size ? [size] : []))
  const known = sizes.length === prices.length ? sizes.reduce(union) : undefined
  const container = args[0] as Estimate | undefined
  const made = typed(expr.type, cost)
  if (expr.name === '_[_]' || expr.name === '_[?_]') {
    const element = expr.args[0] && itemType(unwrapOptional(expr.args[0].type) ?? expr.args[0].type)
    const size = (element && sizeOfType(element)) ?? container?.item
    return { ...made, size: size ?? made.size }
  }
  if (expr.name === 'dyn') return { ...(args[0] as Estimate), cost }
  return { ...made, size: known ?? made.size, item: made.item ?? joinedItems(expr, args) }
}

/** Lists that are added keep what is known of their items. */
function joinedItems(expr: Call, args: readonly Estimate[]): Range | undefined {
  const [left, right] = args
  if (expr.name !== '_+_' || !left?.item || !right?.item) return undefined
  return union(left.item, right.item)
}

function priceOf(
  overload: Overload,
  args: readonly Estimate[],
): { readonly cost: Range; readonly size?: Range | undefined } {
  if (!overload.estimate) return { cost: one }
  return overload.estimate({
    sizes: args.map(({ size }) => size ?? unknownSize),
    elementSize: (index) => {
      const param = overload.params[index]
      const texts = param?.kind === 'list' && /^(string|bytes|param)$/.test(param.element.kind)
      return texts ? (args[index]?.item ?? unknownSize) : undefined
    },
  })
}
