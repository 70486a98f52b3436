// Recorded Kubernetes 1.36: who was refused what, and in which words.
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import type { StatusError } from '../../api/machinery/status.ts'
import type { ClusterRoleBinding, Role, RoleBinding } from '../../api/types/rbac.gen.ts'
import type { Attributes, User } from './attributes.ts'
import { authorizeMasters, createRbac, firstOf, type RbacSource } from './authorizer.ts'
import { bootstrap } from './bootstrap.ts'
import { checkBinding, checkRole } from './escalation.ts'
import { forbidden } from './forbidden.ts'
import { reviewRules } from './rules-review.ts'

interface Request {
  method: string
  path: string
  query?: Record<string, string>
  body?: { kind: string; metadata: { name: string } }
  as?: { user: string }
}
interface Script {
  setup: Request[]
  steps: {
    name?: string
    request?: Request
    expect?: { code: number; body?: { message?: string } }
  }[]
}

const namespace = '{{ns}}'
const alice: User = { name: 'alice', uid: '', groups: ['system:authenticated'], extra: {} }

function load(name: string): Script {
  const url = new URL(`../../../test/golden/cases/${name}.json`, import.meta.url)
  return JSON.parse(readFileSync(url, 'utf8'))
}

/** A fresh cluster with the roles and bindings of a script's setup. */
function clusterOf({ setup }: Script): RbacSource {
  const { clusterroles, clusterrolebindings } = bootstrap()
  const made = <T>(plural: string) =>
    setup.filter(({ path }) => path?.endsWith(`/${plural}`)).map(({ body }) => body as unknown as T)
  const roles = made<Role>('roles')
  const bindings = made<RoleBinding>('rolebindings')
  return {
    clusterRole: (name) => clusterroles.find((role) => role.metadata.name === name),
    role: (_, name) => roles.find((role) => role.metadata.name === name),
    clusterRoleBindings: () => clusterrolebindings as readonly ClusterRoleBinding[],
    roleBindings: (of) => (of === namespace ? bindings : []),
    version: () => 1,
  }
}

const verbs: Record<string, [string, string]> = {
  GET: ['get', 'list'],
  POST: ['create', 'create'],
  PUT: ['update', 'update'],
  PATCH: ['patch', 'patch'],
  DELETE: ['delete', 'deletecollection'],
}

/** Enough of the server's request parsing for these scripts. */
function attributesOf({ method, path, query }: Request): Attributes {
  const match =
    /^\/(?:api\/(v1)|apis\/([^/]+)\/([^/]+))(?:\/namespaces\/([^/]+)(?=\/))?\/([^/]+)(?:\/([^/]+))?(?:\/([^/]+))?$/.exec(
      path,
    )
  if (!match) return { user: alice, verb: method.toLowerCase(), path }
  const [
    ,
    ,
    group = '',
    version = 'v1',
    inNamespace = '',
    resource = '',
    part = '',
    subresource = '',
  ] = match
  const selected = /^metadata\.name=(.*)$/.exec(query?.fieldSelector ?? '')?.[1]
  const [one, many] = verbs[method] ?? ['', '']
  const verb = part !== '' ? one : query?.watch === 'true' ? 'watch' : many
  const of = resource === 'namespaces' ? part : inNamespace
  return {
    user: alice,
    verb,
    group,
    version,
    resource,
    subresource,
    namespace: of,
    name: part || (selected ?? ''),
  }
}

describe('createRbac() decides as recorded in rbac-denials', () => {
  const script = load('rbac-denials')
  const { authorize } = createRbac(clusterOf(script))
  for (const [index, { name, request, expect: expected }] of script.steps.entries()) {
    if (request === undefined || expected === undefined) continue
    it(`${index}: ${name}`, () => {
      const attributes = attributesOf(request)
      const decision = authorize(attributes)
      if (expected.code !== 403) return expect(decision.verdict).toBe('allow')
      expect(decision.verdict).toBe('no-opinion')
      expect(forbidden(attributes, decision).status).toEqual(expected.body)
    })
  }
})

describe('escalation is refused as recorded in rbac-escalation', () => {
  const script = load('rbac-escalation')
  const source = clusterOf(script)
  const rbac = createRbac(source)
  const authorize = firstOf([authorizeMasters, rbac.authorize])
  const deps = { rbac, source, authorize }
  // Roles made on the way can be bound to.
  const roles = new Map<string, Role>()
  const withMade = {
    ...source,
    role: (of: string, name: string) => roles.get(name) ?? source.role(of, name),
  }
  for (const [index, { name, request, expect: expected }] of script.steps.entries()) {
    const body = request?.body as unknown as RoleBinding & Role
    if (request?.method !== 'POST' || request.as?.user !== 'alice' || !expected) continue
    it(`${index}: ${name}`, () => {
      const plural = request.path.split('/').at(-1) ?? ''
      const write = { plural, namespace, name: body.metadata.name, user: alice }
      const refusal: StatusError | undefined = plural.endsWith('bindings')
        ? checkBinding(write, { next: body, old: undefined }, { ...deps, source: withMade })
        : checkRole(write, { next: body, old: undefined }, deps)
      if (expected.code === 201) {
        roles.set(body.metadata.name, body)
        return expect(refusal).toBeUndefined()
      }
      expect(refusal?.status).toEqual(expected.body)
    })
  }
})

describe('reasons', () => {
  const rbac = createRbac(clusterOf(load('rbac-denials')))
  const get = { user: alice, verb: 'get', group: '', version: 'v1', subresource: '', namespace }

  it('name the binding, the role and the subject', () => {
    const decision = rbac.authorize({ ...get, resource: 'configmaps', name: 'ok' })
    expect(decision.reason).toBe(
      `RBAC: allowed by RoleBinding "b/${namespace}" of Role "r" to User "alice"`,
    )
    expect(rbac.authorize({ user: alice, verb: 'get', path: '/api' }).reason).toBe(
      'RBAC: allowed by ClusterRoleBinding "system:discovery" of ClusterRole "system:discovery" to Group "system:authenticated"',
    )
  })

  it('name a role that is missing', () => {
    const source = clusterOf(load('rbac-denials'))
    const broken = createRbac({ ...source, role: () => undefined })
    const attributes = { ...get, resource: 'pods', name: 'x' }
    expect(forbidden(attributes, broken.authorize(attributes)).message).toBe(
      `pods "x" is forbidden: User "alice" cannot get resource "pods" in API group "" in the namespace "${namespace}": RBAC: role.rbac.authorization.k8s.io "r" not found`,
    )
  })

  it('are not needed for system:masters', () => {
    const admin = { ...alice, groups: ['system:masters'] }
    const attributes = { ...get, user: admin, resource: 'secrets', name: '' }
    expect(firstOf([authorizeMasters, rbac.authorize])(attributes)).toMatchObject({
      verdict: 'allow',
      reason: '',
    })
  })
})

describe('reviewRules()', () => {
  it('lists the rules of all bindings', () => {
    const status = reviewRules(createRbac(clusterOf(load('rbac-denials'))), alice, namespace)
    expect(status.incomplete).toBe(false)
    expect(status.resourceRules).toContainEqual({
      verbs: ['get', 'list', 'watch', 'patch'],
      apiGroups: [''],
      resources: ['configmaps'],
      resourceNames: ['ok'],
    })
    expect(status.resourceRules).toContainEqual({
      verbs: ['create'],
      apiGroups: ['authorization.k8s.io'],
      resources: ['selfsubjectaccessreviews', 'selfsubjectrulesreviews'],
    })
  })
})
