// The messages of gnostic's openapi.v2 (openapiv2/OpenAPIv2.proto) as far as the API server's
// Swagger document uses them, with that file's field numbers.
import type { Body, Field } from './gnostic.ts'
import {
  any,
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
const asList = (value: unknown) => (Array.isArray(value) ? value : [value])

/** One value or a list of them, as a message with one repeated field. */
const oneOrMore = (number: number, repeated: Field): Field =>
  inside(number, (writer, value) => repeated(writer, asList(value)))

const schema: Body = message(
  () => ({
    $ref: text(1),
    format: text(2),
    title: text(3),
    description: text(4),
    default: any(5),
    multipleOf: double(6),
    maximum: double(7),
    exclusiveMaximum: flag(8),
    minimum: double(9),
    exclusiveMinimum: flag(10),
    maxLength: integer(11),
    minLength: integer(12),
    pattern: text(13),
    maxItems: integer(14),
    minItems: integer(15),
    uniqueItems: flag(16),
    maxProperties: integer(17),
    minProperties: integer(18),
    required: texts(19),
    enum: anys(20),
    additionalProperties: inside(21, oneOf(schemaOrBoolean)),
    type: oneOrMore(22, texts(1)),
    items: oneOrMore(23, list(1, schema)),
    allOf: list(24, schema),
    properties: map(25, schema),
  }),
  31,
)

const schemaFirst: Field = (writer, value) => inside(1, schema)(writer, value)
const booleanSecond: Field = (writer, value) => {
  // A member of a oneof is written even when it is false.
  writer.varint(value === true ? 1 : 0)
  writer.varint(2 * 8)
}

function schemaOrBoolean(value: unknown): Field {
  return typeof value === 'boolean' ? booleanSecond : schemaFirst
}

const reference: Body = message(() => ({ $ref: text(1), description: text(2) }))

const bodyParameter: Body = message(
  () => ({
    description: text(1),
    name: text(2),
    in: text(3),
    required: flag(4),
    schema: inside(5, schema),
  }),
  6,
)

const place = { required: flag(1), in: text(2), description: text(3), name: text(4) }

/** Parameters of the query alone may be there without a value, which moves all later numbers. */
const queryParameter: Body = message(
  () => ({
    ...place,
    allowEmptyValue: flag(5),
    type: text(6),
    format: text(7),
    uniqueItems: flag(20),
  }),
  23,
)
const pathParameter: Body = message(
  () => ({ ...place, type: text(5), format: text(6), uniqueItems: flag(19) }),
  22,
)

const placed: Readonly<Record<string, Field>> = {
  query: inside(
    2,
    oneOf(() => inside(3, queryParameter)),
  ),
  path: inside(
    2,
    oneOf(() => inside(4, pathParameter)),
  ),
  body: inside(1, bodyParameter),
}

const parameter: Body = oneOf((value) => {
  const { in: where } = value as { readonly in: string }
  const field = placed[where]
  if (!field) throw new Error(`no protobuf message for a parameter in "${where}"`)
  return field
})

const parameterOrReference: Body = oneOf((value) =>
  has(value, '$ref') ? inside(2, reference) : inside(1, parameter),
)

const response: Body = message(
  () => ({
    description: text(1),
    schema: inside(
      2,
      oneOf(() => inside(1, schema)),
    ),
  }),
  5,
)

const responses: Body = (writer, value) =>
  list(1, namedBody(oneOf(() => inside(1, response))))(writer, Object.entries(value as object))

const securityRequirement: Body = (writer, value) =>
  list(
    1,
    namedBody((inner, names) => texts(1)(inner, names)),
  )(writer, Object.entries(value as object))

const operation: Body = message(
  () => ({
    tags: texts(1),
    summary: text(2),
    description: text(3),
    operationId: text(5),
    produces: texts(6),
    consumes: texts(7),
    parameters: list(8, parameterOrReference),
    responses: inside(9, responses),
    schemes: texts(10),
    deprecated: flag(11),
    security: list(12, securityRequirement),
  }),
  13,
)

const pathItem: Body = message(
  () => ({
    get: inside(2, operation),
    put: inside(3, operation),
    post: inside(4, operation),
    delete: inside(5, operation),
    options: inside(6, operation),
    head: inside(7, operation),
    patch: inside(8, operation),
    parameters: list(9, parameterOrReference),
  }),
  10,
)

const apiKeySecurity: Body = message(
  () => ({ type: text(1), name: text(2), in: text(3), description: text(4) }),
  5,
)

const head = message(() => ({
  swagger: text(1),
  info: inside(
    2,
    message(() => ({ title: text(1), version: text(2) })),
  ),
}))

const tail = message(() => ({
  parameters: map(10, parameter),
  security: list(12, securityRequirement),
  securityDefinitions: map(
    13,
    oneOf(() => inside(2, apiKeySecurity)),
  ),
}))

const namedPath = inside(2, namedBody(pathItem))
const namedDefinition = inside(1, namedBody(schema))

/** One entry of Paths. */
export const encodePath = (path: string, item: Json): Buffer =>
  encodeWith((writer) => namedPath(writer, [path, item]))

/** One entry of Definitions. */
export const encodeDefinition = (name: string, definition: Json): Buffer =>
  encodeWith((writer) => namedDefinition(writer, [name, definition]))

const chunks = (number: number): Field =>
  inside(number, (writer, value) => {
    const buffers = value as readonly Buffer[]
    for (let index = buffers.length - 1; index >= 0; index--) writer.raw(buffers[index]!)
  })

export interface EncodedParts {
  readonly paths: readonly Buffer[]
  readonly definitions: readonly Buffer[]
}

/** The Document around its paths (field 8) and definitions (field 9). */
export const encodeDocument = (
  { before, after }: { readonly before: Json; readonly after: Json },
  parts: EncodedParts,
): Buffer =>
  encodeWith((writer) => {
    tail(writer, after)
    chunks(9)(writer, parts.definitions)
    chunks(8)(writer, parts.paths)
    head(writer, before)
  })
