// What validation of a value found: problems, and how much of the schema matched.
import type { FieldError } from '../machinery/field-error.ts'
import { invalid } from '../machinery/field-error.ts'
import type { Correlated } from './correlate.ts'

export interface Problem {
  /** Tells problems apart: the text upstream's error has. */
  readonly text: string
  error(prefix: string): FieldError
}

export class Result {
  readonly errors: Problem[] = []
  matches = 0

  add(...problems: readonly Problem[]): void {
    for (const problem of problems) {
      if (!this.errors.some(({ text }) => text === problem.text)) this.errors.push(problem)
    }
  }

  merge(other: Result): void {
    this.add(...other.errors)
    this.matches += other.matches
  }
}

export interface At {
  /** "" for the whole; property paths have no leading dot. */
  readonly path: string
  readonly correlation?: Correlated | undefined
}

const fieldOf = (prefix: string, path: string): string => {
  const name = path.startsWith('.') ? path.slice(1) : path
  if (name === '') return prefix
  return prefix === '' || name.startsWith('[') ? prefix + name : `${prefix}.${name}`
}

export const at = (path: string, text: string, make: (field: string) => FieldError): Problem => ({
  text,
  error: (prefix) => make(fieldOf(prefix, path)),
})

/** An error about the value as a whole that upstream gives no field. */
export const general = (text: string): Problem => ({
  text,
  error: (prefix) => invalid(prefix === '' ? '<nil>' : prefix, '', text),
})
