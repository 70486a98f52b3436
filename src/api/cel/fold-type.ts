// What a macro over a list or map yields.
import type { FoldKind } from './expr.ts'
import type { Type } from './types.ts'
import { listOf, mapOf, types } from './types.ts'

export interface FoldTypes {
  readonly item: Type
  readonly body: Type
  readonly range: Type
}

export function foldType(fold: FoldKind, { item, body, range }: FoldTypes): Type {
  if (fold === 'map') return listOf(body)
  if (fold === 'filter') return listOf(item)
  if (fold !== 'transformMap') return types.bool
  return mapOf(range.kind === 'map' ? range.key : types.int, body)
}
