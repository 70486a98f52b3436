// Paths of OpenAPI v3 as Swagger 2.0 has them: a body is a parameter, media types belong to the
// operation, and parameters that many operations take are named once.
import { createHash } from 'node:crypto'
import type { Json } from './schemas.ts'
import { swaggerSchema } from './swagger-schemas.ts'

/** As the API server lists them; an OpenAPI v3 document has them in alphabetical order. */
const mediaOrder = [
  'text/plain',
  'application/json',
  'application/yaml',
  'application/vnd.kubernetes.protobuf',
  'application/json;stream=watch',
  'application/vnd.kubernetes.protobuf;stream=watch',
  'application/jwk-set+json',
  'application/json-patch+json',
  'application/merge-patch+json',
  'application/strategic-merge-patch+json',
  'application/apply-patch+yaml',
  '*/*',
]

interface Content {
  readonly description?: string
  readonly content?: Readonly<Record<string, { readonly schema: Json }>>
}

interface OperationV3 {
  readonly tags: readonly string[]
  readonly operationId: string
  readonly parameters?: readonly ParameterV3[]
  readonly requestBody?: Content & { readonly required?: boolean }
  readonly responses: Readonly<Record<string, Content>>
  readonly 'x-kubernetes-action'?: string
  readonly 'x-kubernetes-group-version-kind'?: Json
}

interface ParameterV3 {
  readonly name: string
  readonly in: string
  readonly required?: boolean
  readonly schema: Json
}

const mediaTypes = (contents: readonly Content[]): readonly string[] => {
  const found = new Set(contents.flatMap(({ content }) => Object.keys(content ?? {})))
  return [...found].sort((a, b) => mediaOrder.indexOf(a) - mediaOrder.indexOf(b))
}

const schemaOf = ({ content }: Content): Json | undefined => {
  const first = Object.values(content ?? {})[0]
  return first && swaggerSchema(first.schema)
}

/** Parameters that stand in the document's own list, by their text. */
export class SharedParameters {
  #names = new Map<string, string>()
  #parameters = new Map<string, Json>()

  /** The parameter, or a reference to it. */
  place(parameter: Json): Json {
    if (!isShared(parameter)) return parameter
    const text = JSON.stringify(parameter)
    let name = this.#names.get(text)
    if (name === undefined) {
      const hash = createHash('sha256').update(text).digest('base64url').slice(0, 8)
      name = `${String(parameter['name'])}-${hash}`
      this.#names.set(text, name)
      this.#parameters.set(name, parameter)
    }
    return { $ref: `#/parameters/${name}` }
  }

  get all(): Json {
    return Object.fromEntries([...this.#parameters].sort(([a], [b]) => (a < b ? -1 : 1)))
  }
}

/** kubectl before 1.27 looks for dryRun and fieldValidation in the operation itself. */
const looked: ReadonlySet<unknown> = new Set(['name', 'dryRun', 'fieldValidation'])
const machinery = '#/definitions/io.k8s.apimachinery'

function isShared(parameter: Json): boolean {
  if (parameter['in'] !== 'body') return !looked.has(parameter['name'])
  const reference = (parameter['schema'] as Json)['$ref']
  return typeof reference === 'string' && reference.startsWith(machinery)
}

function parameterOf({ name, in: place, required, schema }: ParameterV3): Json {
  return { ...schema, name, in: place, ...(required && { required }) }
}

/** What a request may carry. Endpoints that are no resource take what they answer, if it is of the API. */
function consumedBy(operation: OperationV3, custom: boolean): readonly string[] {
  const action = operation['x-kubernetes-action']
  if (action === 'patch' && operation.requestBody) return mediaTypes([operation.requestBody])
  if (action !== undefined) return custom ? ['application/json', 'application/yaml'] : ['*/*']
  const answers = Object.values(operation.responses)
  const typed = answers.some((answer) => schemaOf(answer)?.['$ref'] !== undefined)
  return typed ? mediaTypes(answers) : []
}

function swaggerOperation(operation: OperationV3, context: PathContext): Json {
  const { tags, operationId, requestBody, responses } = operation
  const consumes = consumedBy(operation, context.custom)
  const parameters = (operation.parameters ?? []).map(parameterOf)
  const schema = requestBody && schemaOf(requestBody)
  if (schema) {
    const { required } = requestBody
    parameters.push({ name: 'body', in: 'body', ...(required && { required }), schema })
    parameters.sort((a, b) => (String(a['name']) < String(b['name']) ? -1 : 1))
  }
  const extensions = Object.entries(operation).filter(([key]) => key.startsWith('x-'))
  return {
    ...(consumes.length > 0 && { consumes }),
    produces: mediaTypes(Object.values(responses)),
    schemes: ['https'],
    tags,
    operationId,
    ...(parameters.length > 0 && {
      parameters: parameters.map((parameter) => context.shared.place(parameter)),
    }),
    responses: Object.fromEntries(
      Object.entries(responses).map(([code, answer]) => [code, swaggerResponse(answer)]),
    ),
    ...Object.fromEntries(extensions),
  }
}

function swaggerResponse(answer: Content): Json {
  const schema = schemaOf(answer)
  return { description: answer.description, ...(schema && { schema }) }
}

export interface PathContext {
  /** Custom resources take and give no protobuf. */
  readonly custom: boolean
  readonly shared: SharedParameters
}

/** One path of an OpenAPI v3 document of this room. */
export function swaggerPathItem(item: Json, context: PathContext): Json {
  return Object.fromEntries(
    Object.entries(item).map(([key, value]) => [
      key,
      key === 'parameters'
        ? (value as readonly ParameterV3[]).map((one) => context.shared.place(parameterOf(one)))
        : swaggerOperation(value as OperationV3, context),
    ]),
  )
}
