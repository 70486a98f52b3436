// The names an expression may use at one place, and their types.
import type { Type } from './types.ts'

export type Variables = Readonly<Record<string, Type>>

/** Names in sight, the innermost first. */
export interface Scope {
  readonly find: (name: string) => Type | undefined
}

export const scopeOf = (variables: Variables, outer?: Scope): Scope => ({
  find: (name) => (Object.hasOwn(variables, name) ? variables[name] : outer?.find(name)),
})
