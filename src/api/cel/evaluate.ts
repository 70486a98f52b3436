// Running a checked expression, every step paid for. Errors travel as exceptions: "||" and "&&" let
// them pass if the other side decides.
import { listCost, mapCost } from './estimate.ts'
import type { Call, Expr, Fold } from './expr.ts'
import type { Overload } from './overload.ts'
import { accepts } from './overload.ts'
import { fixed } from './range.ts'
import type { Value } from './values.ts'
import { CelError, CostError, List, MapValue, ObjectValue, Optional } from './values.ts'

/** Counts what a run costs, and ends it when that is too much. */
export class Meter {
  cost = 0
  readonly #limit: number

  constructor(limit: number) {
    this.#limit = limit
  }

  pay(cost: number): void {
    this.cost += cost
    if (this.cost > this.#limit) {
      throw new CostError('operation cancelled: actual cost limit exceeded')
    }
  }
}

/** Variables by name; what is a function is worked out when it is first looked at. */
export type Bindings = (name: string) => Value | undefined

export function evaluate(expr: Expr, bindings: Bindings, meter: Meter): Value {
  return run(expr, { find: bindings, meter })
}

interface Scope {
  readonly find: Bindings
  readonly meter: Meter
}

const within = (scope: Scope, names: Readonly<Record<string, Value>>): Scope => ({
  meter: scope.meter,
  find: (name) => (Object.hasOwn(names, name) ? names[name] : scope.find(name)),
})

const fail = (message: string): never => {
  throw new CelError(message)
}

function run(expr: Expr, scope: Scope): Value {
  switch (expr.op) {
    case 'const':
      return expr.value
    case 'ident':
      scope.meter.pay(1)
      return scope.find(expr.name) ?? absent(scope, expr.name)
    case 'select':
      return select(expr, scope)
    case 'call':
      return call(expr, scope)
    case 'and':
      return logical(expr, scope, false)
    case 'or':
      return logical(expr, scope, true)
    case 'cond':
      return run(run(expr.test, scope) === true ? expr.yes : expr.no, scope)
    case 'list': {
      const items = expr.items.map((item) => run(item, scope))
      scope.meter.pay(listCost)
      return List.of(items)
    }
    case 'map': {
      const entries = expr.entries.map(
        ([key, value]) => [run(key, scope), run(value, scope)] as const,
      )
      scope.meter.pay(mapCost)
      return MapValue.of(entries)
    }
    case 'bind':
      scope.meter.pay(listCost)
      return run(expr.body, within(scope, { [expr.name]: run(expr.value, scope) }))
    case 'optional':
      return optional(expr, scope)
    case 'fold':
      return fold(expr, scope)
  }
}

/** A variable may be null; it is missing only if it is undefined. */
function absent(scope: Scope, name: string): Value {
  const value = scope.find(name)
  return value === undefined ? fail(`no such attribute(s): ${name}`) : value
}

function select(expr: Expr & { readonly op: 'select' }, scope: Scope): Value {
  const { field, mode } = expr
  const operand = run(expr.operand, scope)
  scope.meter.pay(1)
  const chained = operand instanceof Optional
  const target = chained ? operand.value : operand
  if (target === undefined) return mode === 'has' ? false : operand
  const found = fieldOf(target, field)
  if (mode === 'has') return found !== undefined
  if (mode === 'optional' || chained) return new Optional(found)
  return found === undefined ? fail(`no such key: ${field}`) : found
}

function fieldOf(target: Value, field: string): Value | undefined {
  if (target instanceof MapValue || target instanceof ObjectValue) return target.get(field)
  return fail('no such overload')
}

/** One side may decide although the other failed. */
function logical(
  { left, right }: Expr & { readonly op: 'and' | 'or' },
  scope: Scope,
  decisive: boolean,
): Value {
  let failure: CelError | undefined
  try {
    const value = run(left, scope)
    if (value === decisive) return decisive
    if (typeof value !== 'boolean') failure = new CelError('no such overload')
  } catch (error) {
    if (!(error instanceof CelError)) throw error
    failure = error
  }
  const value = run(right, scope)
  if (value === decisive) return decisive
  if (failure) throw failure
  return typeof value === 'boolean' ? value : fail('no such overload')
}

function call(expr: Call, scope: Scope): Value {
  const args = expr.args.map((arg) => run(arg, scope))
  const overload = choose(expr, args)
  const result = overload.run(args)
  scope.meter.pay(priceOf(overload, args, result))
  return result
}

function choose({ overloads }: Call, args: readonly Value[]): Overload {
  for (const overload of overloads) {
    if (overload.params.every((type, index) => accepts(type, args[index] as Value))) return overload
  }
  return fail('no such overload')
}

/** As cel-go's traits.Sizer: characters, bytes, items; 1 for what has no size. */
function sizeOf(value: Value): number {
  if (typeof value === 'string') return [...value].length
  if (value instanceof Uint8Array) return value.length
  if (value instanceof List || value instanceof MapValue) return value.size
  if (value instanceof ObjectValue) return value.names().length
  return value instanceof Optional && value.value !== undefined ? sizeOf(value.value) : 1
}

function priceOf(overload: Overload, args: readonly Value[], result: Value): number {
  const rule = overload.cost
  if (!rule) return 1
  const elementSize = (index: number) => {
    const list = args[index]
    if (!(list instanceof List) || list.size === 0) return undefined
    const total = [...list].reduce<number>((sum, item) => {
      return sum + (typeof item === 'string' || item instanceof Uint8Array ? sizeOf(item) : 0)
    }, 0)
    return total === 0 ? undefined : fixed(total / list.size)
  }
  return rule({ sizes: args.map((arg) => fixed(sizeOf(arg))), elementSize, result }).cost.max
}

function optional(expr: Expr & { readonly op: 'optional' }, scope: Scope): Value {
  const operand = run(expr.operand, scope)
  scope.meter.pay(listCost + 2)
  if (!(operand instanceof Optional)) return fail('no such overload')
  if (operand.value === undefined) return operand
  const body = run(expr.body, within(scope, { [expr.name]: operand.value }))
  return expr.flat ? body : new Optional(body)
}

type Entry = readonly [key: Value, value: Value]

function* entriesOf(range: Value): Generator<Entry> {
  if (range instanceof List) {
    let index = 0n
    for (const item of range) yield [index++, item]
  } else if (range instanceof MapValue) {
    for (const key of range.keys()) yield [key, range.get(key) as Value]
  } else if (range instanceof ObjectValue) {
    for (const name of range.names()) yield [name, range.get(name) as Value]
  } else fail('no such overload')
}

function* stepsOf(expr: Fold, scope: Scope): Generator<readonly [Scope, Entry]> {
  const range = run(expr.range, scope)
  const [first = '', second] = expr.variables
  for (const entry of entriesOf(range)) {
    const single = range instanceof List ? entry[1] : entry[0]
    const names =
      second === undefined ? { [first]: single } : { [first]: entry[0], [second]: entry[1] }
    yield [within(scope, names), entry]
  }
}

/** What a step of the macro's expansion costs beside its body; see estimate.ts. */
const stepCosts = { all: 3, exists: 4, existsOne: 1, filter: 1, map: 1, transformMap: 1 } as const

function fold(expr: Fold, scope: Scope): Value {
  scope.meter.pay(1)
  switch (expr.fold) {
    case 'all':
      return quantified(expr, scope, false)
    case 'exists':
      return quantified(expr, scope, true)
    case 'existsOne':
      return existsOne(expr, scope)
    case 'filter':
      return filter(expr, scope)
    case 'map':
      return transform(expr, scope)
    case 'transformMap':
      return transformMap(expr, scope)
  }
}

/** all() is settled by a false, exists() by a true; errors before that do not matter. */
function quantified(expr: Fold, scope: Scope, decisive: boolean): Value {
  let failure: CelError | undefined
  for (const [inner] of stepsOf(expr, scope)) {
    scope.meter.pay(stepCosts[decisive ? 'exists' : 'all'])
    try {
      if (run(expr.body, inner) === decisive) return decisive
    } catch (error) {
      if (!(error instanceof CelError)) throw error
      failure ??= error
    }
  }
  if (failure) throw failure
  return !decisive
}

function existsOne(expr: Fold, scope: Scope): Value {
  let count = 0
  for (const [inner] of stepsOf(expr, scope)) {
    scope.meter.pay(stepCosts.existsOne)
    if (run(expr.body, inner) === true) count += 1
  }
  return count === 1
}

function filter(expr: Fold, scope: Scope): Value {
  const kept: Value[] = []
  const keys = expr.range.type.kind === 'map'
  for (const [inner, [key, value]] of stepsOf(expr, scope)) {
    scope.meter.pay(stepCosts.filter)
    if (run(expr.body, inner) !== true) continue
    scope.meter.pay(listCost + 2)
    kept.push(keys ? key : value)
  }
  return List.of(kept)
}

function transform(expr: Fold, scope: Scope): Value {
  const made: Value[] = []
  for (const [inner] of stepsOf(expr, scope)) {
    scope.meter.pay(stepCosts.map)
    if (expr.condition && run(expr.condition, inner) !== true) continue
    scope.meter.pay(listCost + 1)
    made.push(run(expr.body, inner))
  }
  return List.of(made)
}

function transformMap(expr: Fold, scope: Scope): Value {
  const made: Entry[] = []
  for (const [inner, [key]] of stepsOf(expr, scope)) {
    scope.meter.pay(stepCosts.transformMap)
    if (expr.condition && run(expr.condition, inner) !== true) continue
    scope.meter.pay(mapCost + 1)
    made.push([key, run(expr.body, inner)])
  }
  return MapValue.of(made)
}
