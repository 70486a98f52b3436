// CustomResourceDefinition: how the kind itself is stored and shown. Its schema is checked and put
// to work elsewhere.
import { nameAndCreated } from '../machinery/columns.ts'
import type { Kind } from '../machinery/kind.ts'
import { customresourcedefinitions } from '../resources.gen.ts'
import type { CustomResourceDefinition } from '../types/apiextensions.gen.ts'

export const crdKind: Kind<CustomResourceDefinition> = {
  ...nameAndCreated,
  resource: customresourcedefinitions,
  generation: true,
  requiresResourceVersion: true,
  subresources: { status: { keepsMetadata: true } },
}
