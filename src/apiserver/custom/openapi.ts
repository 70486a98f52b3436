// The schema of a custom resource as OpenAPI v3 publishes it: kubectl reads it to explain and check.

import type { Resource } from '../../api/machinery/resource.ts'
import type { Json } from '../../api/openapi/openapi.ts'
import { schemaName } from '../../api/openapi/schemas.ts'
import type { Schema } from '../../api/structural/schema.ts'
import { additionalOf, isEmbedded, isIntOrString, itemsOf } from '../../api/structural/schema.ts'

const metaRef = {
  allOf: [{ $ref: `#/components/schemas/${schemaName('meta.v1.ObjectMeta')}` }],
}
const apiVersion: Json = {
  type: 'string',
  description:
    'APIVersion defines the versioned schema of this representation of an object. Servers should convert recognized schemas to the latest internal value, and may reject unrecognized values. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#resources',
}
const kindField: Json = {
  type: 'string',
  description:
    'Kind is a string value representing the REST resource this object represents. Servers may infer this from the endpoint the client submits requests to. Cannot be updated. In CamelCase. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#types-kinds',
}

/** undefined: nothing is known of the objects. */
export function publishedSchema(schema: Schema | undefined, resource: Resource): Json | undefined {
  if (!schema) return undefined
  const { group, version, kind } = resource
  const published = publish(schema)
  const properties = published.properties as Json | undefined
  return {
    ...published,
    type: 'object',
    properties: { ...properties, apiVersion, kind: kindField, metadata: metaRef },
    'x-kubernetes-group-version-kind': [{ group, kind, version }],
  }
}

function publish(schema: Schema): Json {
  const items = itemsOf(schema)
  const additional = additionalOf(schema)
  const { properties, ...rest } = schema
  const fields = Object.entries(properties ?? {}).map(
    ([name, one]) => [name, publish(one)] as const,
  )
  const published: Record<string, unknown> = {
    ...rest,
    ...(items ? { items: publish(items) } : {}),
    ...(additional ? { additionalProperties: publish(additional) } : {}),
    ...(fields.length > 0 ? { properties: Object.fromEntries(fields) } : {}),
  }
  if (isEmbedded(schema)) {
    const own = published.properties as Json | undefined
    published.properties = { apiVersion, kind: kindField, metadata: metaRef, ...own }
  }
  if (isIntOrString(schema)) {
    delete published.type
    published.anyOf = [{ type: 'integer' }, { type: 'string' }]
  }
  return published
}
