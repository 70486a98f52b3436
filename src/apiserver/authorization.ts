// May they: turns a request into attributes and asks the authorizers (rbac/).
import type { Exchange, Stage } from './pipeline.ts'
import type { Attributes, Authorizer, User } from './rbac/attributes.ts'
import { forbidden } from './rbac/forbidden.ts'
import type { RequestInfo } from './request.ts'

export function attributesOf(info: RequestInfo, user: User): Attributes {
  if (!info.isResource) return { user, verb: info.verb, path: info.path }
  const { verb, group, version, resource, subresource, namespace, name, fields } = info
  return { user, verb, group, version, resource, subresource, namespace, name, fields }
}

export function authorizationStage(authorize: Authorizer): Stage {
  return (exchange) => {
    requireAllowed(authorize, attributesOf(exchange.info, exchange.user))
    requireStreamingCreate(authorize, exchange)
    return undefined
  }
}

/** Throws 403 unless allowed. */
export function requireAllowed(authorize: Authorizer, attributes: Attributes): void {
  const decision = authorize(attributes)
  if (decision.verdict !== 'allow') throw forbidden(attributes, decision)
}

const streaming = new Set(['exec', 'attach', 'portforward'])

/** A WebSocket must be a GET, but what it opens needs "create" as the POST of SPDY does. */
function requireStreamingCreate(authorize: Authorizer, { call, info, user }: Exchange): void {
  if (!call.upgrade || info.verb !== 'get' || info.resource !== 'pods') return
  if (!streaming.has(info.subresource)) return
  requireAllowed(authorize, attributesOf({ ...info, verb: 'create' }, user))
}
