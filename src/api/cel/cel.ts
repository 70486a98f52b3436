// CEL for Kubernetes: an expression is compiled once against the types of its variables and then
// run with values, each run within a cost limit. The library behind it loads with the first one.
import { check } from './check.ts'
import { estimateCost } from './estimate.ts'
import type { Bindings } from './evaluate.ts'
import { evaluate, Meter } from './evaluate.ts'
import type { Expr } from './expr.ts'
import type { Variables } from './scope.ts'
import { parse } from './syntax.ts'
import type { Type } from './types.ts'
import type { Value } from './values.ts'
import { CelError, CostError } from './values.ts'

export type { Bindings } from './evaluate.ts'
export type { Variables } from './scope.ts'
export type { Type } from './types.ts'
export type { Value } from './values.ts'

/** What one expression may cost when it runs. */
export const perCallLimit = 1_000_000
/** What all expressions of one object, or of one policy, may cost together. */
export const runtimeBudget = 10_000_000

export interface Program {
  readonly type: Type
  /** The estimate at worst, in cost units. */
  readonly maxCost: number
  uses(variable: string): boolean
  run(bindings: Bindings, limit?: number): Outcome
}

export type Outcome = { readonly cost: number } & (
  | { readonly ok: true; readonly value: Value }
  /** `limited`: the cost limit ended it. */
  | { readonly ok: false; readonly message: string; readonly limited: boolean }
)

export type Compiled =
  | { readonly ok: true; readonly program: Program }
  /** As cel-go reports issues: `ERROR: <input>:1:5: …` with the line and a caret. */
  | { readonly ok: false; readonly message: string }

export function compile(text: string, variables: Variables): Compiled {
  const parsed = parse(text)
  if (!parsed.ok) return parsed
  const checked = check(parsed.ast, variables)
  return checked.ok ? { ok: true, program: programOf(checked.expr) } : checked
}

function programOf(expr: Expr): Program {
  const used = new Set<string>()
  collect(expr, used)
  return {
    type: expr.type,
    maxCost: estimateCost(expr).max,
    uses: (variable) => used.has(variable),
    run: (bindings, limit = perCallLimit) => outcomeOf(expr, bindings, limit),
  }
}

function outcomeOf(expr: Expr, bindings: Bindings, limit: number): Outcome {
  const meter = new Meter(limit)
  try {
    const value = evaluate(expr, bindings, meter)
    return { ok: true, value, cost: meter.cost }
  } catch (error) {
    if (!(error instanceof CelError || error instanceof CostError)) throw error
    const limited = error instanceof CostError
    return { ok: false, message: error.message, limited, cost: meter.cost }
  }
}

/** Variables an expression names; those that macros bind are counted, too, which does no harm. */
function collect(expr: Expr, used: Set<string>): void {
  if (expr.op === 'ident') used.add(expr.name)
  for (const child of childrenOf(expr)) collect(child, used)
}

function childrenOf(expr: Expr): readonly Expr[] {
  switch (expr.op) {
    case 'select':
      return [expr.operand]
    case 'call':
      return expr.args
    case 'and':
    case 'or':
      return [expr.left, expr.right]
    case 'cond':
      return [expr.test, expr.yes, expr.no]
    case 'list':
      return expr.items
    case 'map':
      return expr.entries.flat()
    case 'bind':
      return [expr.value, expr.body]
    case 'optional':
      return [expr.operand, expr.body]
    case 'fold':
      return expr.condition ? [expr.range, expr.condition, expr.body] : [expr.range, expr.body]
    default:
      return []
  }
}
