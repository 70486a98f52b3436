// The last step of a check: every type with its parameters replaced by what they turned out to be.
import type { Expr } from './expr.ts'
import type { Substitution } from './types.ts'

export function settle(expr: Expr, bound: Substitution): Expr {
  const type = bound.apply(expr.type, 'dyn')
  const each = (list: readonly Expr[]) => list.map((one) => settle(one, bound))
  switch (expr.op) {
    case 'select':
      return { ...expr, type, operand: settle(expr.operand, bound) }
    case 'call':
      return { ...expr, type, args: each(expr.args) }
    case 'and':
    case 'or':
      return { ...expr, type, left: settle(expr.left, bound), right: settle(expr.right, bound) }
    case 'cond': {
      const { test, yes, no } = expr
      return {
        ...expr,
        type,
        test: settle(test, bound),
        yes: settle(yes, bound),
        no: settle(no, bound),
      }
    }
    case 'list':
      return { ...expr, type, items: each(expr.items) }
    case 'map': {
      const entries = expr.entries.map(
        ([key, value]) => [settle(key, bound), settle(value, bound)] as const,
      )
      return { ...expr, type, entries }
    }
    case 'bind':
      return { ...expr, type, value: settle(expr.value, bound), body: settle(expr.body, bound) }
    case 'optional':
      return { ...expr, type, operand: settle(expr.operand, bound), body: settle(expr.body, bound) }
    case 'fold': {
      const condition = expr.condition && settle(expr.condition, bound)
      const range = settle(expr.range, bound)
      return { ...expr, type, range, condition, body: settle(expr.body, bound) }
    }
    default:
      return { ...expr, type }
  }
}
