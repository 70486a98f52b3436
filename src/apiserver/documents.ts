// Answers that describe the server: discovery in both forms, OpenAPI, the version, the list of paths.
import { createHash } from 'node:crypto'
import { gunzipSync } from 'node:zlib'
import type { Group } from '../api/documents/discovery.ts'
import {
  aggregatedDocument,
  apiGroupDocument,
  apiGroupListDocument,
  apiResourceListDocument,
  apiVersionsDocument,
  groupsOf,
} from '../api/documents/discovery.ts'
import type { Resource } from '../api/machinery/resource.ts'
import type { OpenApiForm, OpenApiSource } from '../api/openapi/openapi.ts'
import { OpenApi } from '../api/openapi/openapi.ts'
import type { Answer, ApiCall } from './call.ts'
import { headerOf } from './call.ts'
import { encodeTyped } from './encode.ts'
import { negotiate, parseClause, plainRules } from './negotiate.ts'
import { notFoundPath } from './not-found.ts'

export interface DocumentsConfig {
  readonly gitVersion: string
  /** host:port, as clients reach the server. */
  serverAddress(): string
}

export interface Documents {
  /** undefined: the path is not of a document. */
  answer(call: ApiCall): Answer | undefined
  /** Whether anything is served under this group and version. */
  serves(group: string): boolean
  /** From now on these resources are described. */
  update(resources: readonly Resource[], customSchema: OpenApiSource['customSchema']): void
}

export function createDocuments(
  resources: readonly Resource[],
  config: DocumentsConfig,
): Documents {
  let groups = groupsOf(resources)
  const openapi = new OpenApi({ groups })
  let discovery = createDiscovery(groups, config)
  return {
    update: (current, customSchema) => {
      groups = groupsOf(current)
      openapi.update({ groups, ...(customSchema ? { customSchema } : {}) })
      discovery = createDiscovery(groups, config)
    },
    serves: (group) => groups.some(({ name }) => name === group),
    answer: (call) => {
      const path = call.path.length > 1 ? call.path.replace(/\/+$/, '') : call.path
      if (path === '/version') return json(versionDocument(config.gitVersion))
      if (path === '/') return json({ paths: rootPaths(groups) })
      if (path === '/openapi/v2') return swaggerAnswer(openapi, call)
      if (path === '/openapi/v3') return openApiIndex(openapi)
      if (path.startsWith('/openapi/v3/')) {
        return openApiDocument(openapi, call, path.slice('/openapi/v3/'.length))
      }
      return discovery(call, path)
    },
  }
}

function json(value: unknown): Answer {
  return {
    code: 200,
    headers: { 'content-type': 'application/json' },
    body: [Buffer.from(JSON.stringify(value))],
  }
}

/** For kubectl and helm: build metadata after "+" keeps their version checks true. */
function versionDocument(gitVersion: string): object {
  const match = /^v(\d+)\.(\d+)/.exec(gitVersion)
  const [major, minor] = [match?.[1] ?? '1', match?.[2] ?? '36']
  return {
    major,
    minor,
    emulationMajor: major,
    emulationMinor: minor,
    minCompatibilityMajor: major,
    minCompatibilityMinor: String(Number(minor) - 1),
    gitVersion,
    gitCommit: '',
    gitTreeState: 'clean',
    buildDate: '1970-01-01T00:00:00Z',
    goVersion: 'none',
    compiler: 'none',
    platform: 'linux/amd64',
  }
}

const ownPaths = [
  '/.well-known/openid-configuration',
  '/healthz',
  '/livez',
  '/metrics',
  '/openapi/v2',
  '/openapi/v3',
  '/openid/v1/jwks',
  '/readyz',
  '/version',
]

function rootPaths(groups: readonly Group[]): string[] {
  const paths = ['/api', '/apis', ...ownPaths]
  for (const { name, versions } of groups) {
    if (name !== '') paths.push(`/apis/${name}`)
    for (const { version } of versions) {
      paths.push(name === '' ? `/api/${version}` : `/apis/${name}/${version}`)
    }
  }
  return paths.sort()
}

type Discovery = (call: ApiCall, path: string) => Answer | undefined

function createDiscovery(groups: readonly Group[], config: DocumentsConfig): Discovery {
  const aggregated = new Map<string, { body: Buffer; etag: string }>()
  const cached = (which: 'core' | 'named', version: string) => {
    const id = `${which} ${version}`
    let known = aggregated.get(id)
    if (!known) {
      const document = aggregatedDocument(groups, which)
      const apiVersion = `apidiscovery.k8s.io/${version}`
      const body = Buffer.from(JSON.stringify({ ...document, apiVersion }))
      const etag = `"${createHash('sha512').update(body).digest('hex').toUpperCase()}"`
      aggregated.set(id, (known = { body, etag }))
    }
    return known
  }
  return (call, path) => {
    if (path === '/api' || path === '/apis') {
      const version = aggregatedVersion(headerOf(call.headers, 'accept'))
      if (version !== undefined) {
        return aggregatedAnswer(call, version, cached(path === '/api' ? 'core' : 'named', version))
      }
    }
    const document = legacyDocument(groups, path, config)
    return document && legacyAnswer(call, document)
  }
}

/** The form that a client prefers, if it is the aggregated one. */
function aggregatedVersion(accept: string | undefined): string | undefined {
  for (const clause of (accept ?? '').split(',').map(parseClause)) {
    const { as, g, v } = clause.parameters
    const wanted = as === 'APIGroupDiscoveryList' && g === 'apidiscovery.k8s.io'
    if (clause.type === 'application/json' && wanted && (v === 'v2' || v === 'v2beta1')) return v
    if (clause.type === 'application/json' && as === undefined) return undefined
  }
  return undefined
}

function aggregatedAnswer(
  call: ApiCall,
  version: string,
  { body, etag }: { readonly body: Buffer; readonly etag: string },
): Answer {
  const headers = {
    'content-type': `application/json;g=apidiscovery.k8s.io;v=${version};as=APIGroupDiscoveryList`,
    'cache-control': 'public',
    etag,
    vary: 'Accept',
  }
  const fresh = headerOf(call.headers, 'if-none-match') === etag
  return fresh ? { code: 304, headers } : { code: 200, headers, body: [body] }
}

function legacyDocument(
  groups: readonly Group[],
  path: string,
  config: DocumentsConfig,
): object | undefined {
  if (path === '/api') return apiVersionsDocument(config.serverAddress())
  if (path === '/apis') return apiGroupListDocument(groups)
  const [, root, first = '', second = '', ...more] = path.split('/')
  if (more.length > 0 || (root !== 'api' && root !== 'apis')) return undefined
  const group = groups.find(({ name }) => name === (root === 'api' ? '' : first))
  if (!group) return undefined
  const version = root === 'api' ? first : second
  if (root === 'apis' && version === '') return apiGroupDocument(group)
  const found = group.versions.find((one) => one.version === version)
  if (!found) throw notFoundPath()
  return apiResourceListDocument(found)
}

function legacyAnswer(call: ApiCall, document: object): Answer {
  const media = negotiate(headerOf(call.headers, 'accept'), plainRules)
  return {
    code: 200,
    headers: { 'content-type': media.contentType },
    body: [encodeTyped(document, media)],
  }
}

function openApiIndex(openapi: OpenApi): Answer {
  return json(openapi.index())
}

/** The right hash makes the answer immutable, a wrong one leads to the right one. */
function openApiDocument(openapi: OpenApi, call: ApiCall, path: string): Answer {
  const form = openApiForm(headerOf(call.headers, 'accept') || '*/*', 'v3')
  const document = openapi.document(path, form)
  if (!document) throw notFoundPath()
  const { body, hash } = document
  const asked = call.query.get('hash')
  if (asked !== null && asked !== '' && asked !== hash) {
    const location = `/openapi/v3/${path}?hash=${hash}`
    return { code: 301, headers: { location, 'content-type': 'text/html; charset=utf-8' } }
  }
  const etag = `"${hash}"`
  const headers: Record<string, string> = {
    'content-type': form === 'protobuf' ? openApiProtobuf('v3') : 'application/json',
    etag,
    vary: 'Accept',
  }
  if (asked === hash) {
    headers['cache-control'] = 'public, immutable'
    headers.expires = new Date(Date.UTC(2100, 0, 1)).toUTCString()
  }
  if (!form) return { code: 406, headers: { vary: 'Accept' } }
  if (headerOf(call.headers, 'if-none-match') === etag) return { code: 304, headers }
  return { code: 200, headers, body: [body] }
}

const openApiProtobuf = (version: 'v2' | 'v3') =>
  `application/com.github.proto-openapi.spec.${version}.v1.0+protobuf`

/** The "@", which no media type may have, is what clients still ask for. */
function openApiForm(accept: string, version: 'v2' | 'v3'): OpenApiForm | undefined {
  const forms = new Map<string, OpenApiForm>([
    ['*/*', 'json'],
    ['application/*', 'json'],
    ['application/json', 'json'],
    [`application/com.github.proto-openapi.spec.${version}@v1.0+protobuf`, 'protobuf'],
    [openApiProtobuf(version), 'protobuf'],
  ])
  const clauses = accept.split(',').map(parseClause)
  return clauses
    .filter(({ quality }) => quality > 0)
    .sort((one, other) => other.quality - one.quality)
    .map(({ type }) => forms.get(type))
    .find((form) => form !== undefined)
}

function swaggerAnswer(openapi: OpenApi, call: ApiCall): Answer {
  const form = openApiForm(headerOf(call.headers, 'accept') || '*/*', 'v2')
  if (!form) return { code: 406, headers: { vary: 'Accept' } }
  const { packed, hash } = openapi.swagger(form)
  const headers = {
    'content-type': form === 'json' ? 'application/json' : openApiProtobuf('v2'),
    etag: `"${hash}"`,
    vary: 'Accept, Accept-Encoding',
  }
  if (headerOf(call.headers, 'if-none-match') === headers.etag) return { code: 304, headers }
  if (/\bgzip\b/.test(headerOf(call.headers, 'accept-encoding') ?? '')) {
    return { code: 200, headers: { ...headers, 'content-encoding': 'gzip' }, body: [packed] }
  }
  return { code: 200, headers, body: [gunzipSync(packed)] }
}
