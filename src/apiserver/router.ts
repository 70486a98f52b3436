// The last stage: which handler a request goes to.
import { qualifiedResource } from '../api/machinery/resource.ts'
import { badRequestError, notFoundError, statusError } from '../api/machinery/status.ts'
import type { Answer, ApiCall } from './call.ts'
import type { Documents } from './documents.ts'
import type { HealthCheck } from './health.ts'
import { healthAnswer } from './health.ts'
import { methodNotAllowed, notFoundPath, plainNotFound } from './not-found.ts'
import type { Exchange, Stage } from './pipeline.ts'
import type { ObjectRequest } from './registry.ts'
import type { Served } from './served.ts'

/** Answers requests to a subresource, or to a resource that is not stored. */
export type SpecialHandler = (request: ObjectRequest) => Promise<Answer>

export interface RouterDeps {
  find(group: string, version: string, plural: string): Served | undefined
  readonly documents: Documents
  readonly checks: readonly HealthCheck[]
  /** Paths that are neither of an API group nor of a document: /metrics, key sets. */
  readonly paths: Readonly<Record<string, (call: ApiCall) => Promise<Answer> | Answer>>
  /** By "PLURAL/SUB" with the group in front ("apps deployments/scale"), or "PLURAL" alone. */
  special(served: Served, subresource: string): SpecialHandler | undefined
  objects(request: ObjectRequest): Promise<Answer>
}

export function routerStage(deps: RouterDeps): Stage {
  return (exchange) => {
    const { call, info } = exchange
    checkTimeout(call)
    if (!info.isResource) return pathAnswer(deps, call)
    const served = deps.find(info.group, info.version, info.resource)
    if (!served) {
      if (deps.documents.serves(info.group)) throw notFoundPath()
      return plainNotFound
    }
    return objectAnswer(deps, exchange, served)
  }
}

async function pathAnswer(deps: RouterDeps, call: ApiCall): Promise<Answer> {
  const own = deps.paths[call.path]
  if (own) return own(call)
  return healthAnswer(deps.checks, call) ?? deps.documents.answer(call) ?? plainNotFound
}

function objectAnswer(deps: RouterDeps, exchange: Exchange, served: Served): Promise<Answer> {
  const { info, call } = exchange
  if (call.path.includes('//')) throw notFoundPath()
  const { namespaced, kind } = served.resource
  const { subresource, name } = info
  const namespace = namespaced && kind !== 'Namespace' ? info.namespace : ''
  const request: ObjectRequest = { exchange, served, namespace, name, subresource }
  const special = deps.special(served, subresource)
  const refusal = served.custom && customRefusal(exchange, served)
  if (refusal) return Promise.resolve(refusal)
  if (subresource === '') return special ? special(request) : deps.objects(request)
  const declared = served.resource.subresources.find((one) => one.name === subresource)
  if (!declared && served.custom) throw notFoundError(served.resource, name)
  if (!declared || !special) throw notFoundPath()
  if (info.rest.length > 0 && subresource !== 'proxy') throw notFoundPath()
  if (!declared.verbs.includes(info.verb)) throw methodNotAllowed()
  if (namespaced && namespace === '') throw notFoundPath()
  return special(request)
}

/** Custom resources are served behind everything else, and so missed in other words. */
function customRefusal({ info }: Exchange, { resource, custom }: Served): Answer | undefined {
  const { verb, namespace } = info
  const across = verb === 'list' || verb === 'watch'
  const misplaced = resource.namespaced ? namespace === '' && !across : namespace !== ''
  if (misplaced) return plainNotFound
  if (verb !== 'create' || !custom?.terminating) return undefined
  const name = qualifiedResource(resource)
  throw statusError('MethodNotAllowed', `create is not supported on resources of kind "${name}"`, {
    group: resource.group,
    kind: resource.plural,
  })
}

const duration = /^[-+]?(\d+(\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)/

/** ?timeout= is a Go duration; what it limits is the client's affair, but it must be one. */
function checkTimeout({ query, search }: ApiCall): void {
  if (!search.includes('timeout=')) return
  const text = query.get('timeout')
  if (text === null || text === '' || text === '0' || duration.test(text)) return
  const quoted = JSON.stringify(text)
  throw badRequestError(
    `invalid timeout specified in the request URL - time: invalid duration ${quoted}`,
  )
}
