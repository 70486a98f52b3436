// Against the documents recorded from kube-apiserver 1.36.
import { readdirSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { allResources } from '../resources.gen.ts'
import {
  aggregatedDocument,
  apiGroupDocument,
  apiGroupListDocument,
  apiResourceListDocument,
  apiVersionsDocument,
  groupsOf,
} from './discovery.ts'
import { compareVersions } from './group-priority.ts'

const golden = new URL('../../../test/golden/discovery/', import.meta.url)
const recorded = (file: string) =>
  JSON.parse(readFileSync(new URL(file, golden), 'utf8')) as unknown
const listed = (folder: string) => readdirSync(new URL(folder, golden))
const groups = groupsOf(allResources)

/** Order matters in discovery: compare the text, too. */
function check(document: unknown, expected: unknown): void {
  expect(document).toEqual(expected)
  expect(JSON.stringify(document)).toBe(JSON.stringify(expected))
}

test('/api names the server address', () => {
  check(apiVersionsDocument('{{*any}}'), recorded('api.json'))
})

test('/apis lists the groups in order of priority', () => {
  check(apiGroupListDocument(groups), recorded('apis.json'))
})

test.each(listed('groups/'))('/apis/… of %s', (file) => {
  const group = groups.find(({ name }) => `${name}.json` === file)!
  check(apiGroupDocument(group), recorded(`groups/${file}`))
})

test.each(listed('resources/'))('the resource list of %s', (file) => {
  const name = file.replace(/^apis?__(.*)\.json$/, '$1').replace('__', '/')
  const versions = groups.flatMap((group) => group.versions)
  const groupVersion = versions.find(({ apiVersion }) => apiVersion === name)!
  check(apiResourceListDocument(groupVersion), recorded(`resources/${file}`))
})

test.each(['core', 'named'] as const)('the aggregated %s document', (which) => {
  const file = which === 'core' ? 'aggregated-api.json' : 'aggregated-apis.json'
  const { body } = recorded(file) as { body: unknown }
  check(aggregatedDocument(groups, which), body)
})

test('compareVersions() puts stable versions first', () => {
  const versions = [
    'foo10',
    'v3beta1',
    'v10',
    'v2',
    'v11alpha2',
    'v12alpha1',
    'foo1',
    'v11beta2',
    'v3alpha1',
  ]
  expect(versions.sort(compareVersions)).toEqual([
    'v10',
    'v2',
    'v11beta2',
    'v3beta1',
    'v12alpha1',
    'v11alpha2',
    'v3alpha1',
    'foo1',
    'foo10',
  ])
})
