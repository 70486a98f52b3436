import { expect, test } from 'vitest'
import { clusterroles } from '../api/resources.gen.ts'
import type { PolicyRule } from '../api/types/rbac.gen.ts'
import { clusterRoleAggregationController } from './clusterrole-aggregation.ts'
import { Play } from './play.ts'

const controller = clusterRoleAggregationController()
const toView = { 'rbac.authorization.k8s.io/aggregate-to-view': 'true' }
const reading = (resource: string): PolicyRule => ({
  apiGroups: [''],
  resources: [resource],
  verbs: ['get'],
})

function playing() {
  const play = new Play()
  const gather = (name: string, label: string, labels = {}) =>
    play.put(clusterroles, {
      metadata: { name, labels },
      aggregationRule: { clusterRoleSelectors: [{ matchLabels: { [label]: 'true' } }] },
      rules: [],
    })
  const put = (name: string, resource: string, labels = {}) =>
    play.put(clusterroles, { metadata: { name, labels }, rules: [reading(resource)] })
  const settle = () => play.settleAll([controller])
  const has = (name: string) =>
    (play.get(clusterroles, name).rules ?? []).map(({ resources }) => resources?.join())
  return { play, gather, put, settle, has }
}

test('a role has the rules of those it gathers, in the order of their names, each once', () => {
  const { play, gather, put, settle, has } = playing()
  gather('view', 'rbac.authorization.k8s.io/aggregate-to-view')
  put('c', 'pods', toView)
  put('b', 'widgets', toView)
  put('a', 'pods', toView)
  put('other', 'secrets')
  settle()
  expect(has('view')).toEqual(['pods', 'widgets'])
  put('b', 'widgets')
  settle()
  expect(has('view')).toEqual(['pods'])
  play.remove(clusterroles, 'a')
  play.remove(clusterroles, 'c')
  settle()
  expect(has('view')).toEqual([])
})

test('roles that gather are gathered in turn, and rules written by hand are replaced', () => {
  const { play, gather, put, settle, has } = playing()
  gather('edit', 'to-edit')
  gather('view', 'to-view', { 'to-edit': 'true' })
  put('a', 'pods', { 'to-view': 'true' })
  settle()
  expect([has('view'), has('edit')]).toEqual([['pods'], ['pods']])
  play.put(clusterroles, { ...play.get(clusterroles, 'edit'), rules: [reading('secrets')] })
  settle()
  expect(has('edit')).toEqual(['pods'])
})
