// Names with a meaning of their own: types as values, operators as functions, macros.
import type { FoldKind } from './expr.ts'
import type { Ast } from './syntax.ts'

/** Names of types are values, too. */
export const typeNames: Readonly<Record<string, string>> = {
  bool: 'bool',
  int: 'int',
  uint: 'uint',
  double: 'double',
  string: 'string',
  bytes: 'bytes',
  list: 'list',
  map: 'map',
  null_type: 'null_type',
  type: 'type',
  optional_type: 'optional_type',
  'google.protobuf.Timestamp': 'google.protobuf.Timestamp',
  'google.protobuf.Duration': 'google.protobuf.Duration',
  'kubernetes.URL': 'kubernetes.URL',
  'kubernetes.Quantity': 'kubernetes.Quantity',
  'net.IP': 'net.IP',
  'net.CIDR': 'net.CIDR',
}

export const operatorNames: Readonly<Record<string, string>> = {
  in: '@in',
  '[]': '_[_]',
  '[?]': '_[?_]',
  '!_': '!_',
  '-_': '-_',
}

export const folds: Readonly<Record<string, FoldKind>> = {
  all: 'all',
  exists: 'exists',
  exists_one: 'existsOne',
  existsOne: 'existsOne',
  map: 'map',
  filter: 'filter',
  transformList: 'map',
  transformMap: 'transformMap',
}

/** "a.b.c" for a chain of plain names. */
export function qualifiedName(node: Ast): string | undefined {
  if (node.op === 'id') return node.args
  if (node.op !== '.') return undefined
  const [operand, field] = node.args
  const prefix = qualifiedName(operand)
  return prefix === undefined ? undefined : `${prefix}.${field}`
}
