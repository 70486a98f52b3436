// Whether arguments fit a signature, and what its type parameters are then.
import type { Overload } from './overload.ts'
import type { Type } from './types.ts'
import { isAssignable, Substitution } from './types.ts'

/** The type of the result if the arguments fit; binds what they settle. `fresh` makes parameters. */
export function matchOverload(
  { params, result }: Overload,
  args: readonly Type[],
  { bound, fresh }: { readonly bound: Substitution; readonly fresh: () => Type },
): Type | undefined {
  if (params.length !== args.length) return undefined
  const instance = new Substitution()
  for (const name of parameterNames([...params, result])) instance.bind(name, fresh())
  const attempt = bound.copy()
  const fits = args.every((arg, index) =>
    isAssignable(arg, instance.apply(params[index] as Type), attempt),
  )
  if (!fits) return undefined
  bound.take(attempt)
  return bound.apply(instance.apply(result))
}

function parameterNames(list: readonly Type[]): Set<string> {
  const names = new Set<string>()
  const visit = (type: Type): void => {
    if (type.kind === 'param') names.add(type.name)
    else if (type.kind === 'list') visit(type.element)
    else if (type.kind === 'map') [type.key, type.value].forEach(visit)
    else if (type.kind === 'opaque') type.parameters.forEach(visit)
  }
  list.forEach(visit)
  return names
}
