// Against the documents recorded from kube-apiserver 1.36, their descriptions left out.
import { readdirSync, readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { groupsOf } from '../documents/discovery.ts'
import type { Resource } from '../machinery/resource.ts'
import { allResources } from '../resources.gen.ts'
import { OpenApi } from './openapi.ts'

const golden = new URL('../../../test/golden/openapi/', import.meta.url)
const recorded = readdirSync(golden).filter((file) => file.endsWith('.json.gz'))
const openapi = new OpenApi({ groups: groupsOf(allResources) })

const read = (path: string) =>
  JSON.parse(withoutDescriptions(openapi.document(path)!.body.toString('utf8'))) as Record<
    string,
    unknown
  >

/** The recordings have no descriptions; of ours, answers have one, which OpenAPI requires. */
const withoutDescriptions = (text: string): string =>
  text.replace(/"description":"(OK|Created|Accepted|Unauthorized)",?/g, '')

test.each(recorded)('the document %s', (file) => {
  const expected: unknown = JSON.parse(gunzipSync(readFileSync(new URL(file, golden))).toString())
  const document = read(file.replace('.json.gz', '').replaceAll('__', '/'))
  expect(document).toEqual(expected)
  expect(JSON.stringify(document)).toBe(JSON.stringify(expected))
})

test('the index lists the recorded paths, each with a hash', () => {
  const { body } = JSON.parse(readFileSync(new URL('index.json', golden), 'utf8')) as {
    body: { paths: Record<string, unknown> }
  }
  const { paths } = openapi.index() as { paths: Record<string, { serverRelativeURL: string }> }
  expect(Object.keys(paths)).toEqual(Object.keys(body.paths).sort())
  expect(paths['apis/apps/v1']!.serverRelativeURL).toMatch(
    /^\/openapi\/v3\/apis\/apps\/v1\?hash=[0-9A-F]{128}$/,
  )
  for (const path of Object.keys(paths)) expect(read(path).openapi).toBe('3.0.0')
})

const things: Resource = {
  group: 'stable.example.com',
  version: 'v1',
  kind: 'CronTab',
  plural: 'crontabs',
  singular: 'crontab',
  namespaced: true,
  shortNames: [],
  categories: [],
  verbs: ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'],
  subresources: [{ name: 'status', kind: 'CronTab', verbs: ['get', 'patch', 'update'] }],
  struct: '',
}

test('update() adds a custom resource and leaves the other documents alone', () => {
  const own = new OpenApi({ groups: groupsOf(allResources) })
  const before = own.document('apis/apps/v1')!
  own.update({
    groups: groupsOf([...allResources, things]),
    customSchema: () => ({ type: 'object', properties: { spec: { type: 'object' } } }),
  })
  expect(own.document('apis/apps/v1')!.body).toBe(before.body)
  const document = JSON.parse(own.document('apis/stable.example.com/v1')!.body.toString()) as {
    paths: Record<string, { patch?: { operationId: string; parameters: { name: string }[] } }>
    components: { schemas: Record<string, unknown> }
  }
  const base = '/apis/stable.example.com/v1/namespaces/{namespace}/crontabs/{name}'
  expect(document.paths[base]!.patch!.operationId).toBe('patchStableExampleComV1NamespacedCronTab')
  expect(document.paths[base]!.patch!.parameters.map(({ name }) => name)).toEqual([
    'dryRun',
    'fieldManager',
    'fieldValidation',
    'force',
  ])
  expect(document.paths[`${base}/status`]).toBeDefined()
  expect(document.components.schemas).toHaveProperty(['com.example.stable.v1.CronTabList'])
})
