import { describe, expect, it } from 'vitest'
import type { Pod } from '../../api/types/core.gen.ts'
import type { ClusterRole, PolicyRule } from '../../api/types/rbac.gen.ts'
import type { ResourceAttributes } from './attributes.ts'
import { createRbac } from './authorizer.ts'
import { bootstrap, mendBinding, mendRole, nodeRules } from './bootstrap.ts'
import { uncovered } from './covers.ts'
import { createNodeAuthorizer } from './node-authorizer.ts'
import { ruleAllows } from './rules.ts'

const user = { name: 'u', uid: '', groups: [], extra: {} }

function checkRule(rule: Partial<PolicyRule>, resource: string, want: boolean) {
  const [plural = '', subresource = ''] = resource.split('/')
  const full = { verbs: ['get'], apiGroups: [''], ...rule }
  const attributes = { user, verb: 'get', group: '', version: 'v1', namespace: 'a', name: 'n' }
  expect(ruleAllows(full, { ...attributes, resource: plural, subresource })).toBe(want)
}

describe('ruleAllows()', () => {
  it.each([
    ['the resource', { resources: ['pods'] }, 'pods', true],
    ['not its subresources', { resources: ['pods'] }, 'pods/log', false],
    ['one subresource', { resources: ['pods/log'] }, 'pods/log', true],
    ['a subresource of any resource', { resources: ['*/scale'] }, 'deployments/scale', true],
    ['everything', { resources: ['*'] }, 'pods/exec', true],
    ['another group', { apiGroups: ['apps'], resources: ['pods'] }, 'pods', false],
    ['a name', { resources: ['pods'], resourceNames: ['n'] }, 'pods', true],
    ['another name', { resources: ['pods'], resourceNames: ['m'] }, 'pods', false],
    ['another verb', { verbs: ['list'], resources: ['pods'] }, 'pods', false],
  ])('%s', (_, rule, resource, want) => checkRule(rule, resource, want))

  it('matches paths exactly, by prefix or all', () => {
    const covers = (url: string, path: string) =>
      ruleAllows({ verbs: ['get'], nonResourceURLs: [url] }, { user, verb: 'get', path })
    expect(covers('/healthz', '/healthz')).toBe(true)
    expect(covers('/healthz', '/healthz/ping')).toBe(false)
    expect(covers('/healthz/*', '/healthz/ping')).toBe(true)
    expect(covers('*', '/anything')).toBe(true)
  })
})

describe('uncovered()', () => {
  const held: PolicyRule[] = [
    { verbs: ['get'], apiGroups: ['', 'apps'], resources: ['*/scale', 'pods'] },
  ]
  it('gives the parts that no held rule covers', () => {
    const wanted = [
      { verbs: ['get', 'list'], apiGroups: ['apps'], resources: ['deployments/scale'] },
    ]
    expect(uncovered(held, wanted)).toEqual([
      { verbs: ['list'], apiGroups: ['apps'], resources: ['deployments/scale'] },
    ])
  })
  it('takes rights over all names to cover one name, but not the reverse', () => {
    const one = { verbs: ['get'], apiGroups: [''], resources: ['pods'], resourceNames: ['a'] }
    expect(uncovered(held, [one])).toEqual([])
    expect(
      uncovered([one], [{ verbs: ['get'], apiGroups: [''], resources: ['pods'] }]),
    ).toHaveLength(1)
  })
})

describe('bootstrap()', () => {
  const role = (name: string) =>
    bootstrap().clusterroles.find(({ metadata }) => metadata.name === name) as ClusterRole

  it('has the roles people know, with their rules gathered', () => {
    for (const name of ['cluster-admin', 'admin', 'edit', 'view', 'system:node']) {
      expect(role(name).rules?.length, name).toBeGreaterThan(0)
    }
  })

  it('lets nobody read Secrets with view, or write RBAC with edit', () => {
    const attributes = { user, version: 'v1', subresource: '', namespace: 'a', name: 'n' }
    const allows = (name: string, verb: string, group: string, resource: string) =>
      role(name).rules?.some((rule) => ruleAllows(rule, { ...attributes, verb, group, resource }))
    expect(allows('view', 'get', '', 'configmaps')).toBe(true)
    expect(allows('view', 'get', '', 'secrets')).toBe(false)
    expect(allows('edit', 'get', '', 'secrets')).toBe(true)
    expect(allows('edit', 'create', 'rbac.authorization.k8s.io', 'roles')).toBe(false)
    expect(allows('admin', 'create', 'rbac.authorization.k8s.io', 'roles')).toBe(true)
    expect(allows('edit', 'update', 'discovery.k8s.io', 'endpointslices')).toBe(false)
  })

  it('mends what is missing and keeps what was added', () => {
    const wanted = role('system:node-proxier')
    const extra: PolicyRule = { verbs: ['get'], apiGroups: ['x'], resources: ['y'] }
    const stored = { ...wanted, rules: [...(wanted.rules ?? []).slice(1), extra] }
    const mended = mendRole(stored, wanted)
    expect(mended?.rules).toContainEqual(extra)
    expect(mended?.rules).toContainEqual(wanted.rules?.[0])
    expect(mended && mendRole(mended, wanted)).toBeUndefined()
  })

  it('leaves protected objects alone', () => {
    const wanted = role('system:node-proxier')
    const annotations = { 'rbac.authorization.kubernetes.io/autoupdate': 'false' }
    expect(
      mendRole({ ...wanted, rules: [], metadata: { ...wanted.metadata, annotations } }, wanted),
    ).toBeUndefined()
  })

  it('replaces a binding to another role', () => {
    const [wanted] = bootstrap().clusterrolebindings
    if (wanted === undefined) throw new Error('no bindings')
    const stored = { ...wanted, roleRef: { ...wanted.roleRef, name: 'other' } }
    expect(mendBinding(stored, wanted)).toMatchObject({ replace: true })
    expect(mendBinding(wanted, wanted)).toBeUndefined()
  })
})

describe('createNodeAuthorizer()', () => {
  const pod = {
    metadata: { name: 'p', namespace: 'a' },
    spec: {
      nodeName: 'n1',
      serviceAccountName: 'sa',
      containers: [
        { name: 'c', env: [{ name: 'E', valueFrom: { secretKeyRef: { name: 's', key: 'k' } } }] },
      ],
      volumes: [{ name: 'v', configMap: { name: 'cm' } }],
    },
  } as unknown as Pod
  const authorize = createNodeAuthorizer(
    {
      podsOnNode: (node) => (node === 'n1' ? [pod] : []),
      persistentVolumeClaim: () => undefined,
      persistentVolume: () => undefined,
    },
    nodeRules(),
  )
  const ask = (of: string, attributes: Partial<ResourceAttributes>) =>
    authorize({
      user: { name: `system:node:${of}`, uid: '', groups: ['system:nodes'], extra: {} },
      verb: 'get',
      group: '',
      version: 'v1',
      resource: 'secrets',
      subresource: '',
      namespace: 'a',
      name: 's',
      ...attributes,
    })

  it.each([
    ['n1', {}, 'allow'],
    ['n2', {}, 'no-opinion'],
    ['n1', { namespace: 'b' }, 'no-opinion'],
    ['n1', { verb: 'update' }, 'no-opinion'],
    ['n1', { resource: 'configmaps', name: 'cm', verb: 'watch' }, 'allow'],
    [
      'n1',
      { resource: 'serviceaccounts', subresource: 'token', verb: 'create', name: 'sa' },
      'allow',
    ],
    ['n1', { resource: 'nodes', name: 'n1', namespace: '' }, 'allow'],
    ['n1', { resource: 'nodes', name: 'n2', namespace: '' }, 'no-opinion'],
    [
      'n1',
      {
        resource: 'pods',
        verb: 'list',
        name: '',
        namespace: '',
        fields: [{ field: 'spec.nodeName', operator: '=', value: 'n1' }],
      },
      'allow',
    ],
    ['n1', { resource: 'pods', verb: 'list', name: '', namespace: '' }, 'no-opinion'],
    ['n1', { resource: 'services', verb: 'watch', name: '', namespace: '' }, 'allow'],
    [
      'n1',
      {
        group: 'coordination.k8s.io',
        resource: 'leases',
        namespace: 'kube-node-lease',
        name: 'n1',
        verb: 'update',
      },
      'allow',
    ],
    [
      'n1',
      {
        group: 'coordination.k8s.io',
        resource: 'leases',
        namespace: 'kube-node-lease',
        name: 'n2',
        verb: 'update',
      },
      'no-opinion',
    ],
  ] as const)('node %s, %j: %s', (node, attributes, want) => {
    expect(ask(node, attributes).verdict).toBe(want)
  })

  it('says nothing of other users', () => {
    const rbac = createRbac({
      clusterRole: () => undefined,
      role: () => undefined,
      clusterRoleBindings: () => [],
      roleBindings: () => [],
      version: () => 0,
    })
    expect(rbac.authorize({ user, verb: 'get', path: '/' }).verdict).toBe('no-opinion')
    expect(authorize({ user, verb: 'get', path: '/' }).verdict).toBe('no-opinion')
  })
})
