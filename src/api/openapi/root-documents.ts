// The OpenAPI v3 documents of what is no resource: group lists, the version, the token issuer.
import { documentOf, schemasFor } from './document.ts'
import { answers, answersWith } from './operations.ts'
import { metaName, namingOf } from './paths.ts'
import type { Json } from './schemas.ts'
import { refTo } from './schemas.ts'

interface Endpoint {
  readonly path: string
  readonly tag: string
  readonly id: string
  readonly responses: Json
}

function single({ path, tag, id, responses }: Endpoint, extra: ReadonlyMap<string, Json>): Json {
  const paths = { [path]: { get: { tags: [tag], operationId: id, responses } } }
  return documentOf(paths, schemasFor(paths, { groupVersions: [], custom: extra }))
}

const noSchemas: ReadonlyMap<string, Json> = new Map()

/** /openapi/v3/apis/GROUP */
export function groupDocument(group: string): Json {
  const { prefix, tag } = namingOf(group, '')
  const endpoint = {
    path: `/apis/${group}/`,
    tag: tag.slice(0, -1),
    id: `get${prefix}APIGroup`,
    responses: answers(refTo(metaName('APIGroup'))),
  }
  return single(endpoint, noSchemas)
}

const versionName = 'io.k8s.apimachinery.pkg.version.Info'

const versionFields = [
  'major',
  'minor',
  'gitVersion',
  'gitCommit',
  'gitTreeState',
  'buildDate',
  'goVersion',
  'compiler',
  'platform',
]
const optionalVersionFields = [
  'emulationMajor',
  'emulationMinor',
  'minCompatibilityMajor',
  'minCompatibilityMinor',
]

const versionSchema: Json = {
  type: 'object',
  required: versionFields,
  properties: Object.fromEntries(
    [...versionFields, ...optionalVersionFields]
      .sort()
      .map((name) => [
        name,
        versionFields.includes(name) ? { type: 'string', default: '' } : { type: 'string' },
      ]),
  ),
}

/** Schemas that are of no struct in the table. */
export const ownSchemas: ReadonlyMap<string, Json> = new Map([[versionName, versionSchema]])

const contentOf = (type: string, schema: Json): Json =>
  answersWith({ 200: { content: { [type]: { schema } } } })

const text: Json = { type: 'string' }

/** By the path under /openapi/v3. */
export const rootDocuments: Readonly<Record<string, () => Json>> = {
  api: () =>
    single(
      {
        path: '/api/',
        tag: 'core',
        id: 'getCoreAPIVersions',
        responses: answers(refTo(metaName('APIVersions'))),
      },
      noSchemas,
    ),
  apis: () =>
    single(
      {
        path: '/apis/',
        tag: 'apis',
        id: 'getAPIVersions',
        responses: answers(refTo(metaName('APIGroupList'))),
      },
      noSchemas,
    ),
  version: () =>
    single(
      {
        path: '/version/',
        tag: 'version',
        id: 'getCodeVersion',
        responses: contentOf('application/json', refTo(versionName)),
      },
      ownSchemas,
    ),
  '.well-known/openid-configuration': () =>
    single(
      {
        path: '/.well-known/openid-configuration/',
        tag: 'WellKnown',
        id: 'getServiceAccountIssuerOpenIDConfiguration',
        responses: contentOf('application/json', text),
      },
      noSchemas,
    ),
  'openid/v1/jwks': () =>
    single(
      {
        path: '/openid/v1/jwks/',
        tag: 'openid',
        id: 'getServiceAccountIssuerOpenIDKeyset',
        responses: contentOf('application/jwk-set+json', text),
      },
      noSchemas,
    ),
}
