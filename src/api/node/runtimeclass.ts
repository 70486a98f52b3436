// RuntimeClass: a name for how a Pod is run.
import { ageOf, columnsOf } from '../machinery/columns.ts'
import { required } from '../machinery/field-error.ts'
import type { Kind } from '../machinery/kind.ts'
import { dns1123LabelProblems } from '../machinery/names.ts'
import { type Errors, immutable, invalids } from '../machinery/validation.ts'
import { runtimeclasses } from '../resources.gen.ts'
import type { RuntimeClass } from '../types/node.gen.ts'

export const runtimeClassKind: Kind<RuntimeClass> = {
  resource: runtimeclasses,
  requiresResourceVersion: true,
  validate: validateClass,
  validateUpdate: (item, old) => immutable([item.handler, old.handler], 'handler'),
  columns: columnsOf('Name | Handler | Age'),
  row: (item, nowMs) => ({ cells: [item.metadata.name, item.handler, ageOf(item, nowMs)] }),
}

function validateClass({ handler }: RuntimeClass): Errors {
  return handler
    ? invalids('handler', handler, dns1123LabelProblems(handler))
    : [required('handler')]
}
