// OpenAPI as the API server publishes it: an index of v3 documents and one of v2, each made when it
// is first asked for. A document's hash comes from what it is made of: the index costs no document.
import { createHash } from 'node:crypto'
import { gzipSync } from 'node:zlib'
import type { Group, GroupVersion } from '../documents/discovery.ts'
import type { Resource } from '../machinery/resource.ts'
import { tableJson } from '../schema/table.gen.ts'
import type { OpenApiForm } from './document.ts'
import { groupVersionDocument } from './document.ts'
import { encodeOpenApiV3 } from './gnostic-v3.ts'
import { groupDocument, rootDocuments } from './root-documents.ts'
import type { Json } from './schemas.ts'
import { buildSwagger } from './swagger.ts'

export type { OpenApiForm } from './document.ts'
export type { Json } from './schemas.ts'

export interface OpenApiDocument {
  readonly body: Buffer
  /** As in the index's URLs and, quoted, in the ETag. */
  readonly hash: string
}

export interface PackedDocument {
  /** gzip: 0.1 MB instead of 1 MB, and nearly every client takes it so. */
  readonly packed: Buffer
  /** Quoted, in the ETag. */
  readonly hash: string
}

export interface OpenApiSource {
  readonly groups: readonly Group[]
  /** The schema of a custom resource's objects, as OpenAPI publishes it. */
  readonly customSchema?: (resource: Resource) => Json | undefined
}

interface Entry {
  readonly hash: string
  readonly build: () => Json
  readonly bodies: Map<OpenApiForm, Buffer>
}

interface Swagger {
  readonly hash: string
  readonly packed: Map<OpenApiForm, Buffer>
}

const hashOf = (text: string) => createHash('sha512').update(text).digest('hex').toUpperCase()

/** Clients keep a document for ever by its hash. To be raised when this room writes others. */
const revision = 2

let ownHash: string | undefined

/** Stands for what all documents are made from: this room and the schema table. */
function commonHash(): string {
  ownHash ??= hashOf(`${revision} ${tableJson}`)
  return ownHash
}

const encoders: Readonly<Record<OpenApiForm, (document: Json) => Buffer>> = {
  json: (document) => Buffer.from(JSON.stringify(document)),
  protobuf: encodeOpenApiV3,
}

/** The documents of what is served. Kept for long: `update` keeps what did not change. */
export class OpenApi {
  #source: OpenApiSource
  #entries: Map<string, Entry> | undefined
  #kept: ReadonlyMap<string, Entry> = new Map()
  #swagger: Swagger | undefined

  constructor(source: OpenApiSource) {
    this.#source = source
  }

  /** Serves other resources from now on; documents are compared when they are next asked for. */
  update(source: OpenApiSource): void {
    this.#kept = this.#entries ?? this.#kept
    this.#source = source
    this.#entries = undefined
    this.#swagger = undefined
  }

  /** GET /openapi/v3 */
  index(): Json {
    const paths = [...this.#current()].map(([path, { hash }]) => [
      path,
      { serverRelativeURL: `/openapi/v3/${path}?hash=${hash}` },
    ])
    return { paths: Object.fromEntries(paths) }
  }

  /** GET /openapi/v3/PATH, as in "api/v1" or "apis/apps/v1"; undefined for a path without one. */
  document(path: string, form: OpenApiForm = 'json'): OpenApiDocument | undefined {
    const entry = this.#current().get(path)
    if (!entry) return undefined
    const { hash, bodies, build } = entry
    const body = bodies.get(form) ?? encoders[form](build())
    bodies.set(form, body)
    return { body, hash }
  }

  /** GET /openapi/v2: all that is served in one document. Its forms have one hash. */
  swagger(form: OpenApiForm): PackedDocument {
    this.#swagger ??= this.#hashSwagger()
    const { hash, packed } = this.#swagger
    const kept = packed.get(form) ?? gzipSync(buildSwagger(this.#source, form))
    packed.set(form, kept)
    return { packed: kept, hash }
  }

  #hashSwagger(): Swagger {
    const ingredients = [...this.#current()].map(([path, { hash }]) => `${path} ${hash}`)
    return { hash: hashOf(ingredients.join('\n')), packed: new Map() }
  }

  #current(): ReadonlyMap<string, Entry> {
    this.#entries ??= this.#collect()
    return this.#entries
  }

  #collect(): Map<string, Entry> {
    const found: [string, Entry][] = []
    const add = (path: string, ingredients: string, build: () => Json) => {
      const hash = hashOf(`${commonHash()} ${path} ${ingredients}`)
      const kept = this.#kept.get(path)
      found.push([path, kept?.hash === hash ? kept : { hash, build, bodies: new Map() }])
    }
    for (const [path, build] of Object.entries(rootDocuments)) add(path, '', build)
    for (const group of this.#source.groups) {
      if (group.name !== '') add(`apis/${group.name}`, '', () => groupDocument(group.name))
      for (const version of group.versions) this.#addVersion(version, add)
    }
    this.#kept = new Map()
    return new Map(found.sort(([a], [b]) => (a < b ? -1 : 1)))
  }

  #addVersion(
    { group, version, apiVersion, resources }: GroupVersion,
    add: (path: string, ingredients: string, build: () => Json) => void,
  ): void {
    const { customSchema } = this.#source
    const custom = resources.filter((resource) => resource.struct === '')
    const ingredients = JSON.stringify([
      resources,
      custom.map((one) => customSchema?.(one) ?? null),
    ])
    const input = { group, version, resources, ...(customSchema && { customSchema }) }
    const path = group === '' ? `api/${apiVersion}` : `apis/${apiVersion}`
    add(path, ingredients, () => groupVersionDocument(input))
  }
}
