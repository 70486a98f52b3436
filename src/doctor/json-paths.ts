// Where two JSON values differ, as paths: what a server made of what it was sent.

export interface ChangedPath {
  readonly path: string
  readonly value: unknown
}

export const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** Leaves of `after` that `before` lacks or has otherwise. Lists are compared place by place. */
export function changedPaths(before: unknown, after: unknown, path: string): ChangedPath[] {
  if (Array.isArray(after) && Array.isArray(before))
    return after.flatMap((item, index) => changedPaths(before[index], item, `${path}[${index}]`))
  if (isObject(after) && isObject(before))
    return Object.entries(after).flatMap(([key, value]) =>
      changedPaths(before[key], value, `${path}.${key}`),
    )
  return JSON.stringify(before) === JSON.stringify(after) ? [] : [{ path, value: after }]
}
