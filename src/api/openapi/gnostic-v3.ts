// The messages of gnostic's openapi.v3 (openapiv3/OpenAPIv3.proto) as far as the API server's
// documents use them, with that file's field numbers.
import type { Body, Field } from './gnostic.ts'
import {
  anys,
  double,
  encodeWith,
  flag,
  inside,
  integer,
  list,
  map,
  message,
  namedBody,
  oneOf,
  text,
  texts,
} from './gnostic.ts'
import type { Json } from './schemas.ts'

const has = (value: unknown, key: string) => Object.hasOwn(value as object, key)

const reference: Body = message(() => ({ $ref: text(1), description: text(3) }))

/** XOrReference: the thing itself is field 1, a reference field 2. */
const orReference = (body: Body): Body => {
  const [first, second] = [inside(1, body), inside(2, reference)]
  return oneOf((value) => (has(value, '$ref') ? second : first))
}

const schema: Body = message(
  () => ({
    nullable: flag(1),
    title: text(9),
    multipleOf: double(10),
    maximum: double(11),
    exclusiveMaximum: flag(12),
    minimum: double(13),
    exclusiveMinimum: flag(14),
    maxLength: integer(15),
    minLength: integer(16),
    pattern: text(17),
    maxItems: integer(18),
    minItems: integer(19),
    uniqueItems: flag(20),
    maxProperties: integer(21),
    minProperties: integer(22),
    required: texts(23),
    enum: anys(24),
    type: text(25),
    allOf: list(26, schemaOrReference),
    oneOf: list(27, schemaOrReference),
    anyOf: list(28, schemaOrReference),
    not: inside(29, schema),
    items: inside(
      30,
      oneOf(() => inside(1, schemaOrReference)),
    ),
    properties: map(31, schemaOrReference),
    additionalProperties: inside(32, oneOf(schemaOrBoolean)),
    default: inside(33, oneOf(defaultField)),
    description: text(34),
    format: text(35),
  }),
  36,
)

const schemaOrReference: Body = orReference(schema)

// A member of a oneof is written even when it is false, 0 or "".
const booleanMember: Field = (writer, value) => {
  writer.varint(value === true ? 1 : 0)
  writer.varint(2 * 8)
}
const numberMember: Field = (writer, value) => {
  writer.double(value as number)
  writer.varint(1 * 8 + 1)
}
const textMember: Field = inside(3, (writer, value) => {
  writer.text(value as string)
})

const schemaMember: Field = inside(1, schemaOrReference)

function schemaOrBoolean(value: unknown): Field {
  return typeof value === 'boolean' ? booleanMember : schemaMember
}

/** gnostic knows defaults of three types; of objects and lists it keeps that there is one. */
function defaultField(value: unknown): Field {
  if (typeof value === 'boolean') return booleanMember
  if (typeof value === 'number') return numberMember
  return typeof value === 'string' ? textMember : () => {}
}

const content: Field = map(
  3,
  message(() => ({ schema: inside(1, schemaOrReference) })),
)
const bodyContent: Field = map(
  2,
  message(() => ({ schema: inside(1, schemaOrReference) })),
)

const parameter: Body = message(
  () => ({
    name: text(1),
    in: text(2),
    description: text(3),
    required: flag(4),
    schema: inside(10, schemaOrReference),
  }),
  14,
)

const requestBody: Body = message(
  () => ({ description: text(1), content: bodyContent, required: flag(3) }),
  4,
)

const response: Body = message(() => ({ description: text(1), content }), 5)

const namedResponses = list(2, namedBody(orReference(response)))
const responses: Body = (writer, value) => namedResponses(writer, Object.entries(value as object))

const operation: Body = message(
  () => ({
    tags: texts(1),
    summary: text(2),
    description: text(3),
    operationId: text(5),
    parameters: list(6, orReference(parameter)),
    requestBody: inside(7, orReference(requestBody)),
    responses: inside(8, responses),
    deprecated: flag(10),
  }),
  13,
)

const pathItem: Body = message(
  () => ({
    get: inside(4, operation),
    put: inside(5, operation),
    post: inside(6, operation),
    delete: inside(7, operation),
    options: inside(8, operation),
    head: inside(9, operation),
    patch: inside(10, operation),
    parameters: list(13, orReference(parameter)),
  }),
  14,
)

const securityScheme: Body = message(
  () => ({ type: text(1), description: text(2), name: text(3), in: text(4) }),
  9,
)

const info: Body = message(() => ({ title: text(1), version: text(6) }))

const components: Body = message(() => ({
  schemas: map(1, schemaOrReference),
  securitySchemes: map(7, orReference(securityScheme)),
}))

const document: Body = message(() => ({
  openapi: text(1),
  info: inside(2, info),
  paths: map(4, pathItem),
  components: inside(5, components),
}))

/** A whole OpenAPI v3 document. */
export const encodeOpenApiV3 = (value: Json): Buffer =>
  encodeWith((writer) => document(writer, value))
