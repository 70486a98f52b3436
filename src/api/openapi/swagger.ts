// The Swagger 2.0 document of all that is served (/openapi/v2), as JSON or as protobuf. Paths and
// definitions become bytes one at a time: the whole document never stands in memory as objects.
import type { Group, GroupVersion } from '../documents/discovery.ts'
import type { Resource } from '../machinery/resource.ts'
import type { OpenApiForm, PathItems } from './document.ts'
import {
  apiVersionText,
  collectRefs,
  customSchemas,
  groupVersionPaths,
  schemaNamed,
} from './document.ts'
import { encodeDefinition, encodeDocument, encodePath } from './gnostic-v2.ts'
import { groupDocument, ownSchemas, rootDocuments } from './root-documents.ts'
import type { Json } from './schemas.ts'
import { SharedParameters, swaggerPathItem } from './swagger-paths.ts'
import { swaggerCustomDefinition, swaggerDefinition } from './swagger-schemas.ts'

export interface SwaggerSource {
  readonly groups: readonly Group[]
  readonly customSchema?: (resource: Resource) => Json | undefined
}

interface Encoding {
  path(name: string, item: Json): Buffer
  definition(name: string, schema: Json): Buffer
  document(parts: Parts): Buffer
}

interface Parts {
  readonly paths: readonly Buffer[]
  readonly definitions: readonly Buffer[]
  readonly parameters: Json
}

const before: Json = { swagger: '2.0', info: { title: 'Kubernetes', version: apiVersionText } }
const security: Json = {
  security: [{ BearerToken: [] }],
  securityDefinitions: {
    BearerToken: {
      description: 'Bearer Token authentication',
      type: 'apiKey',
      name: 'authorization',
      in: 'header',
    },
  },
}

const jsonEntry = (name: string, value: Json) =>
  Buffer.from(`${JSON.stringify(name)}:${JSON.stringify(value)}`)

const withCommas = (buffers: readonly Buffer[]): Buffer[] =>
  buffers.flatMap((buffer, index) => (index === 0 ? [buffer] : [comma, buffer]))
const comma = Buffer.from(',')

const encodings: Readonly<Record<OpenApiForm, Encoding>> = {
  json: {
    path: jsonEntry,
    definition: jsonEntry,
    document: ({ paths, definitions, parameters }) => {
      const start = JSON.stringify(before).slice(0, -1)
      const end = JSON.stringify({ parameters, ...security }).slice(1)
      return Buffer.concat([
        Buffer.from(`${start},"paths":{`),
        ...withCommas(paths),
        Buffer.from('},"definitions":{'),
        ...withCommas(definitions),
        Buffer.from(`},${end}`),
      ])
    },
  },
  protobuf: {
    path: encodePath,
    definition: encodeDefinition,
    document: ({ parameters, ...parts }) =>
      encodeDocument({ before, after: { parameters, ...security } }, parts),
  },
}

/** The document's bytes. Takes some 100 ms: keep them. */
export function buildSwagger(source: SwaggerSource, form: OpenApiForm): Buffer {
  const encoding = encodings[form]
  const shared = new SharedParameters()
  const paths: Entry[] = []
  const refs = new Set<string>()
  for (const { items, custom } of everyPath(source)) {
    collectRefs(items, refs)
    for (const [path, item] of Object.entries(items)) {
      paths.push([path, encoding.path(path, swaggerPathItem(item, { custom, shared }))])
    }
  }
  const definitions = definitionsFor(source, refs, encoding)
  return encoding.document({ paths: sorted(paths), definitions, parameters: shared.all })
}

type Entry = readonly [string, Buffer]

const sorted = (entries: readonly Entry[]): Buffer[] =>
  [...entries].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, buffer]) => buffer)

const pathsOf = (document: Json) => document['paths'] as PathItems

function* everyPath({ groups }: SwaggerSource): Generator<{ items: PathItems; custom: boolean }> {
  for (const build of Object.values(rootDocuments)) yield { items: pathsOf(build()), custom: false }
  for (const { name, versions } of groups) {
    const custom = versions.every(isCustom)
    // The group of custom resources alone has no endpoint of its own in the document.
    if (name !== '' && !custom) yield { items: pathsOf(groupDocument(name)), custom: false }
    for (const { group, version, resources } of versions) {
      for (const one of [false, true]) {
        const own = resources.filter(({ struct }) => (struct === '') === one)
        if (own.length === 0) continue
        yield { items: groupVersionPaths({ group, version, resources: own }), custom: one }
      }
    }
  }
}

const isCustom = ({ resources }: GroupVersion) => resources.every(({ struct }) => struct === '')

function definitionsFor(source: SwaggerSource, refs: Set<string>, encoding: Encoding): Buffer[] {
  const custom = new Map(ownSchemas)
  const versions = source.groups.flatMap((group) => group.versions)
  const { customSchema } = source
  for (const version of versions) {
    const input = { ...version, ...(customSchema && { customSchema }) }
    for (const [name, schema] of customSchemas(input)) custom.set(name, schema)
  }
  const groupVersions = versions
    .map(({ group, version }) => ({ group, version }))
    .sort((a, b) => (`${a.group}/${a.version}` < `${b.group}/${b.version}` ? -1 : 1))
  const definitions: Entry[] = []
  // A Set visits what is added while it is walked.
  for (const name of refs) {
    const schema = schemaNamed(name, { groupVersions, custom })
    collectRefs(schema, refs)
    const definition = custom.has(name)
      ? swaggerCustomDefinition(schema)
      : swaggerDefinition(name, schema)
    definitions.push([name, encoding.definition(name, definition)])
  }
  return sorted(definitions)
}
