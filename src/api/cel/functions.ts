// All functions expressions may call, by name.

import { authorizerFunctions } from './library-authorizer.ts'
import { listFunctions } from './library-lists.ts'
import { netFunctions } from './library-net.ts'
import { quantityFunctions } from './library-quantity.ts'
import { standardFunctions } from './library-standard.ts'
import { stringFunctions } from './library-strings.ts'
import { timeFunctions } from './library-time.ts'
import type { Overload } from './overload.ts'

let byName: Map<string, Overload[]> | undefined

function table(): Map<string, Overload[]> {
  if (byName) return byName
  byName = new Map()
  const all = [
    ...standardFunctions,
    ...stringFunctions,
    ...listFunctions,
    ...timeFunctions,
    ...netFunctions,
    ...quantityFunctions,
    ...authorizerFunctions,
  ]
  for (const one of all) {
    const known = byName.get(one.name)
    if (known) known.push(one)
    else byName.set(one.name, [one])
  }
  return byName
}

export const findOverloads = (name: string): readonly Overload[] | undefined => table().get(name)

/** "ip.isCanonical": a function whose name has a dot. */
export const isNamespaced = (name: string): boolean => table().has(name)
