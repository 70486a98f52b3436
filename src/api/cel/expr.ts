// A checked expression: every node knows its type, names are resolved, macros are folds.
import type { Overload } from './overload.ts'
import type { Type } from './types.ts'
import type { Value } from './values.ts'

export type FoldKind = 'all' | 'exists' | 'existsOne' | 'map' | 'filter' | 'transformMap'

export interface Fold {
  readonly op: 'fold'
  readonly type: Type
  readonly fold: FoldKind
  readonly range: Expr
  /** The item (or key of a map); with two, index or key and then the value. */
  readonly variables: readonly string[]
  readonly condition?: Expr | undefined
  readonly body: Expr
}

export interface Call {
  readonly op: 'call'
  readonly type: Type
  readonly name: string
  /** The receiver of a member call stands first. */
  readonly args: readonly Expr[]
  readonly member: boolean
  /** Those that the static types allow; one of them is chosen by the values. */
  readonly overloads: readonly Overload[]
}

export type Expr =
  | { readonly op: 'const'; readonly type: Type; readonly value: Value }
  | { readonly op: 'ident'; readonly type: Type; readonly name: string }
  | {
      readonly op: 'select'
      readonly type: Type
      readonly operand: Expr
      readonly field: string
      /** has(): whether it is there; optional: `.?`. */
      readonly mode: 'value' | 'has' | 'optional'
    }
  | Call
  | { readonly op: 'and' | 'or'; readonly type: Type; readonly left: Expr; readonly right: Expr }
  | {
      readonly op: 'cond'
      readonly type: Type
      readonly test: Expr
      readonly yes: Expr
      readonly no: Expr
    }
  | { readonly op: 'list'; readonly type: Type; readonly items: readonly Expr[] }
  | {
      readonly op: 'map'
      readonly type: Type
      readonly entries: readonly (readonly [key: Expr, value: Expr])[]
    }
  | {
      readonly op: 'bind'
      readonly type: Type
      readonly name: string
      readonly value: Expr
      readonly body: Expr
    }
  | {
      /** optMap and optFlatMap: the body runs if the optional has a value. */
      readonly op: 'optional'
      readonly type: Type
      readonly name: string
      readonly operand: Expr
      readonly body: Expr
      readonly flat: boolean
    }
  | Fold
