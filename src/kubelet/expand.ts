// $(NAME) in commands, arguments and environment values.

/** Unknown names stay as they are; "$$" is a dollar sign, so that "$$(X)" gives "$(X)". */
export function expand(text: string, lookup: (name: string) => string | undefined): string {
  return text.replace(/\$(\$|\(([^)]*)\))/g, (whole, next: string, name: string | undefined) =>
    next === '$' ? '$' : (lookup(name!) ?? whole),
  )
}

/** Names that an expansion asked for in vain. */
export function unresolved(text: string, lookup: (name: string) => string | undefined): string[] {
  const missing: string[] = []
  expand(text, (name) => {
    const value = lookup(name)
    if (value === undefined) missing.push(name)
    return value
  })
  return missing
}
