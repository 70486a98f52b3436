// /openapi/v2 against upstream's own swagger.json, entry by entry (scripts/swagger-digests.ts).
import { readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { groupsOf } from '../../src/api/documents/discovery.ts'
import { OpenApi } from '../../src/api/openapi/openapi.ts'
import { allResources } from '../../src/api/resources.gen.ts'
import type { Digests, Swagger } from '../support/swagger-digests.ts'
import { digestsOf } from '../support/swagger-digests.ts'

const golden = new URL('../golden/swagger/digests.json', import.meta.url)
const upstream = JSON.parse(readFileSync(golden, 'utf8')) as Digests
const openapi = new OpenApi({ groups: groupsOf(allResources) })
const swagger = JSON.parse(gunzipSync(openapi.swagger('json').packed).toString()) as Swagger
const ours = digestsOf(swagger)

/** Stable to Go, but reached from nothing that is on by default. */
const unserved = new Set([
  '/apis/internal.apiserver.k8s.io/',
  '/apis/storagemigration.k8s.io/',
  'io.k8s.apimachinery.pkg.apis.meta.v1.GroupResource',
])
const served = (entries: Readonly<Record<string, string>>) =>
  Object.fromEntries(Object.entries(entries).filter(([name]) => !unserved.has(name)))

test('every path has the operations, parameters, media types and answers of upstream', () => {
  expect(ours.paths).toEqual(served(upstream.paths))
})

test('every definition is that of upstream', () => {
  expect(ours.definitions).toEqual(served(upstream.definitions))
})
