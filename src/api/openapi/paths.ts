// The paths of an OpenAPI v3 document: which operations each resource and subresource has.
import type { Resource, Subresource } from '../machinery/resource.ts'
import { apiVersionOf, qualifiedResource } from '../machinery/resource.ts'
import { structOfKind } from '../schema/schema.ts'
import type { Operation, Parameter } from './operations.ts'
import {
  answers,
  bodyOf,
  optionalBodyOf,
  optionParameters,
  parametersOf,
  patchBody,
  pathItem,
  pathParameter,
  streamAnswer,
  textAnswer,
} from './operations.ts'
import type { GroupVersionKind, Json } from './schemas.ts'
import { refTo, schemaName } from './schemas.ts'

export interface Naming {
  /** "RbacAuthorizationV1", in operation ids. */
  readonly prefix: string
  /** "rbacAuthorization_v1" */
  readonly tag: string
}

const upperFirst = (text: string) => text.charAt(0).toUpperCase() + text.slice(1)
const lowerFirst = (text: string) => text.charAt(0).toLowerCase() + text.slice(1)

/** Groups of Kubernetes lose their ".k8s.io"; the core group is called so. */
export function namingOf(group: string, version: string): Naming {
  const parts = (group === '' ? 'core' : group.replace(/\.k8s\.io$/, '')).split(/[.-]/)
  const name = parts.map(upperFirst).join('')
  return { prefix: `${name}${upperFirst(version)}`, tag: `${lowerFirst(name)}_${version}` }
}

/** How a custom resource's schemas are called; built-in ones go by their struct. */
export interface SchemaNames {
  readonly object: string
  readonly list: string
}

export const metaName = (kind: string) => schemaName(`meta.v1.${kind}`)

export function schemaNamesOf(resource: Resource): SchemaNames {
  const { struct, group, version, kind } = resource
  if (struct !== '') return { object: schemaName(struct), list: schemaName(`${struct}List`) }
  const name = `${group.split('.').reverse().join('.')}.${version}.${kind}`
  return { object: name, list: `${name}List` }
}

interface Context {
  readonly resource: Resource
  readonly naming: Naming
  readonly custom: boolean
  readonly kind: GroupVersionKind
  readonly names: SchemaNames
  /** "NamespacedPod" or "Node" */
  readonly scopedKind: string
}

/** Kinds whose DELETE answers the object instead of a Status. */
const answersObject: ReadonlySet<string> = new Set([
  'persistentvolumeclaims',
  'persistentvolumes',
  'pods',
  'podtemplates',
  'resourcequotas',
  'serviceaccounts',
  'services',
  'deviceclasses.resource.k8s.io',
  'resourceclaims.resource.k8s.io',
  'resourceclaimtemplates.resource.k8s.io',
  'resourceslices.resource.k8s.io',
  'csidrivers.storage.k8s.io',
  'csinodes.storage.k8s.io',
  'storageclasses.storage.k8s.io',
  'volumeattachments.storage.k8s.io',
  'volumeattributesclasses.storage.k8s.io',
])

const has = (resource: Resource, verb: string) => resource.verbs.includes(verb)

function collectionOperations(context: Context): Operation[] {
  const { resource, naming, custom, kind, names, scopedKind } = context
  const { prefix } = naming
  const operations: Operation[] = []
  if (has(resource, 'list')) {
    operations.push({
      method: 'get',
      id: `list${prefix}${scopedKind}`,
      action: 'list',
      kind,
      parameters: parametersOf.list,
      responses: answers(refTo(names.list), { list: true, custom }),
    })
  }
  if (has(resource, 'create')) {
    operations.push({
      method: 'post',
      id: `create${prefix}${scopedKind}`,
      action: 'post',
      kind,
      parameters: parametersOf.write,
      requestBody: bodyOf(refTo(names.object), custom),
      responses: answers(refTo(names.object), { custom, codes: [200, 201, 202] }),
    })
  }
  if (has(resource, 'deletecollection')) {
    operations.push({
      method: 'delete',
      id: `delete${prefix}Collection${scopedKind}`,
      action: 'deletecollection',
      kind,
      parameters: custom ? parametersOf.list : parametersOf.deleteCollection,
      ...(!custom && { requestBody: optionalBodyOf(refTo(metaName('DeleteOptions')), custom) }),
      responses: answers(refTo(metaName('Status')), { custom }),
    })
  }
  return operations
}

/** GET, PUT and PATCH of an object or of a subresource that has them. */
function objectOperations(
  context: Context,
  target: {
    readonly verbs: readonly string[]
    readonly kind: GroupVersionKind
    readonly schema: Json
    readonly suffix: string
  },
): Operation[] {
  const { naming, custom, scopedKind } = context
  const { kind, schema, verbs } = target
  const id = (verb: string) => `${verb}${naming.prefix}${scopedKind}${target.suffix}`
  const operations: Operation[] = []
  if (verbs.includes('get')) {
    const responses = answers(schema, { custom })
    const parameters = custom ? parametersOf.customGet : parametersOf.get
    operations.push({ method: 'get', id: id('read'), action: 'get', kind, parameters, responses })
  }
  if (verbs.includes('update')) {
    operations.push({
      method: 'put',
      id: id('replace'),
      action: 'put',
      kind,
      parameters: parametersOf.write,
      requestBody: bodyOf(schema, custom),
      responses: answers(schema, { custom, codes: [200, 201] }),
    })
  }
  if (verbs.includes('patch')) {
    operations.push({
      method: 'patch',
      id: id('patch'),
      action: 'patch',
      kind,
      parameters: parametersOf.patch,
      requestBody: patchBody(custom),
      responses: answers(schema, { custom, codes: custom ? [200] : [200, 201] }),
    })
  }
  return operations
}

function deleteOperation({
  resource,
  naming,
  custom,
  kind,
  names,
  scopedKind,
}: Context): Operation {
  const own = answersObject.has(qualifiedResource(resource))
  return {
    method: 'delete',
    id: `delete${naming.prefix}${scopedKind}`,
    action: 'delete',
    kind,
    parameters: parametersOf.delete,
    requestBody: optionalBodyOf(refTo(metaName('DeleteOptions')), custom),
    responses: answers(refTo(own ? names.object : metaName('Status')), {
      custom,
      codes: [200, 202],
    }),
  }
}

const connectMethods = {
  get: ['get'],
  create: ['post'],
  update: ['put'],
  delete: ['delete'],
  patch: ['patch', 'options', 'head'],
} as const

function connectOperations(context: Context, sub: Subresource, withPath: boolean): Operation[] {
  const { naming, scopedKind, resource } = context
  const struct = structOfKind(apiVersionOf(resource), sub.kind)
  const parameters = struct === undefined ? [] : optionParameters(struct)
  const kind = { group: resource.group, version: resource.version, kind: sub.kind }
  const methods = Object.entries(connectMethods).flatMap(([verb, list]) =>
    sub.verbs.includes(verb) ? list : [],
  )
  return methods.map((method) => ({
    method,
    id: `connect${naming.prefix}${upperFirst(method)}${scopedKind}${upperFirst(sub.name)}${withPath ? 'WithPath' : ''}`,
    action: 'connect',
    kind,
    parameters,
    responses: streamAnswer,
  }))
}

function subresourceOperations(context: Context, sub: Subresource): Operation[] {
  const { resource, naming, custom, scopedKind } = context
  const group = sub.group ?? resource.group
  const version = sub.version ?? resource.version
  const kind = { group, version, kind: sub.kind }
  const suffix = upperFirst(sub.name)
  const struct = structOfKind(apiVersionOf(kind), sub.kind)
  const schema = refTo(struct === undefined ? context.names.object : schemaName(struct))
  if (sub.name === 'log') {
    const id = `read${naming.prefix}${scopedKind}Log`
    const parameters = [...optionParameters('core.v1.PodLogOptions'), ...parametersOf.get]
    return [{ method: 'get', id, action: 'get', kind, parameters, responses: textAnswer }]
  }
  if (!sub.verbs.includes('create')) {
    return objectOperations(context, { verbs: sub.verbs, kind, schema, suffix })
  }
  return [
    {
      method: 'post',
      id: `create${naming.prefix}${scopedKind}${suffix}`,
      action: 'post',
      kind,
      parameters: parametersOf.write,
      requestBody: bodyOf(schema, custom),
      responses: answers(schema, { custom, codes: [200, 201, 202] }),
    },
  ]
}

function watchOperation(context: Context, id: string, action: 'watch' | 'watchlist'): Operation {
  return {
    method: 'get',
    id,
    action,
    kind: context.kind,
    parameters: parametersOf.list,
    responses: answers(refTo(metaName('WatchEvent')), { list: true }),
  }
}

type Paths = Record<string, Json>

/** Adds all paths of a resource. `base` is "/api/v1" or "/apis/GROUP/VERSION". */
export function addResourcePaths(paths: Paths, base: string, resource: Resource): void {
  const { namespaced, plural, group, version, kind } = resource
  const naming = namingOf(group, version)
  const context: Context = {
    resource,
    naming,
    custom: resource.struct === '',
    kind: { group, version, kind },
    names: schemaNamesOf(resource),
    scopedKind: namespaced ? `Namespaced${kind}` : kind,
  }
  const scope: readonly Parameter[] = namespaced ? [pathParameter('namespace')] : []
  const inScope = namespaced ? `namespaces/{namespace}/${plural}` : plural
  const add = (path: string, operations: readonly Operation[], names: readonly Parameter[]) => {
    if (operations.length === 0) return
    paths[`${base}/${path}`] = pathItem(operations, { tag: naming.tag, parameters: names })
  }
  add(inScope, collectionOperations(context), scope)
  addAllNamespaces(context, add)
  addObject(context, { add, inScope, names: [...scope, pathParameter('name')] })
  // Custom resources have no watch paths of their own.
  if (!has(resource, 'watch') || context.custom) return
  const watch = `watch${naming.prefix}`
  const { scopedKind } = context
  add(
    `watch/${inScope}`,
    [watchOperation(context, `${watch}${scopedKind}List`, 'watchlist')],
    scope,
  )
  add(
    `watch/${inScope}/{name}`,
    [watchOperation(context, `${watch}${scopedKind}`, 'watch')],
    [...scope, pathParameter('name')],
  )
}

type Add = (path: string, operations: readonly Operation[], names: readonly Parameter[]) => void

function addAllNamespaces(context: Context, add: Add): void {
  const { resource, naming, custom, kind, names } = context
  if (!resource.namespaced || !has(resource, 'list')) return
  const list: Operation = {
    method: 'get',
    id: `list${naming.prefix}${resource.kind}ForAllNamespaces`,
    action: 'list',
    kind,
    parameters: parametersOf.list,
    responses: answers(refTo(names.list), { list: true, custom }),
  }
  add(resource.plural, [list], [])
  if (!has(resource, 'watch') || custom) return
  const id = `watch${naming.prefix}${resource.kind}ListForAllNamespaces`
  add(`watch/${resource.plural}`, [watchOperation(context, id, 'watchlist')], [])
}

function addObject(
  context: Context,
  at: { readonly add: Add; readonly inScope: string; readonly names: readonly Parameter[] },
): void {
  const { resource, kind } = context
  const schema = refTo(context.names.object)
  const path = `${at.inScope}/{name}`
  const own = objectOperations(context, { verbs: resource.verbs, kind, schema, suffix: '' })
  if (has(resource, 'delete')) own.push(deleteOperation(context))
  at.add(path, own, at.names)
  for (const sub of resource.subresources) {
    if (!sub.kind.endsWith('Options')) {
      at.add(`${path}/${sub.name}`, subresourceOperations(context, sub), at.names)
      continue
    }
    at.add(`${path}/${sub.name}`, connectOperations(context, sub, false), at.names)
    if (sub.name !== 'proxy') continue
    const withPath = [...at.names, pathParameter('path')]
    at.add(`${path}/proxy/{path}`, connectOperations(context, sub, true), withPath)
  }
}
