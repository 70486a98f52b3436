// Handlers of subresources and of resources that are not stored, by name.
import type { Duplex } from 'node:stream'
import { loadPolicyCompiler } from '../api/admissionregistration/policies.ts'
import { loadDefinitionValidation } from '../api/apiextensions/crd.ts'
import type { Logger } from '../lib/log.ts'
import type { Authenticator } from './authentication.ts'
import type { Cache } from './cache.ts'
import type { ApiserverConfig } from './config.ts'
import type { Authorizer } from './rbac/attributes.ts'
import type { Rbac } from './rbac/authorizer.ts'
import type { RegistryDeps } from './registry.ts'
import { handleObjects } from './registry.ts'
import { reviewHandlers } from './reviews.ts'
import type { RouterDeps, SpecialHandler } from './router.ts'
import type { Served } from './served.ts'
import type { TokenIssuer } from './service-account-tokens.ts'
import type { Serving } from './serving.ts'
import { bindingHandler } from './subresources/binding.ts'
import { evictionHandler } from './subresources/eviction.ts'
import { execHandler, logHandler, portForwardHandler } from './subresources/pod-streams.ts'
import { proxyHandler } from './subresources/proxy.ts'
import { scaleHandler } from './subresources/scale.ts'
import { strategyHandler } from './subresources/strategy.ts'
import { keyPaths, tokenHandler } from './subresources/token.ts'

export interface SpecialsDeps {
  readonly cache: Cache
  readonly serving: Serving
  readonly registry: RegistryDeps
  readonly authorize: Authorizer
  readonly rbac: Rbac
  readonly config: ApiserverConfig
  readonly tokens: TokenIssuer
  readonly authenticator: Authenticator
  readonly log: Logger
  readonly dial: ((host: string, port: number) => Promise<Duplex>) | undefined
}

export interface Specials {
  find(served: Served, subresource: string): SpecialHandler | undefined
  readonly paths: RouterDeps['paths']
}

const definitions = 'apiextensions.k8s.io customresourcedefinitions'
const policies = 'admissionregistration.k8s.io validatingadmissionpolicies'

/** Definitions and policies are checked by what is loaded for the first of them. */
function loadedFirst(load: () => Promise<unknown>, next: SpecialHandler): SpecialHandler {
  return async (request) => {
    const { verb } = request.exchange.info
    if (verb !== 'get' && verb !== 'list' && verb !== 'watch') await load()
    return next(request)
  }
}

export function createSpecials(deps: SpecialsDeps): Specials {
  const objects: SpecialHandler = (request) => handleObjects(deps.registry, request)
  const named: Readonly<Record<string, SpecialHandler>> = {
    ...reviewHandlers(deps),
    ' serviceaccounts/token': tokenHandler(deps),
    ' bindings': bindingHandler(deps.registry),
    ' pods/binding': bindingHandler(deps.registry),
    ' pods/eviction': evictionHandler(deps.registry),
    ' pods/log': logHandler(deps),
    ' pods/exec': execHandler(deps, 'exec'),
    ' pods/attach': execHandler(deps, 'attach'),
    ' pods/portforward': portForwardHandler(deps),
    ' pods/proxy': proxyHandler(deps, 'pods'),
    ' services/proxy': proxyHandler(deps, 'services'),
    ' nodes/proxy': proxyHandler(deps, 'nodes'),
    [definitions]: loadedFirst(loadDefinitionValidation, objects),
    [`${definitions}/status`]: loadedFirst(
      loadDefinitionValidation,
      strategyHandler(deps.registry),
    ),
    [policies]: loadedFirst(loadPolicyCompiler, objects),
  }
  return {
    find: ({ resource, kind }, subresource) => {
      const plural = subresource === '' ? resource.plural : `${resource.plural}/${subresource}`
      const own = named[`${resource.group} ${plural}`]
      if (own || subresource === '') return own
      if (subresource === 'scale' && kind.scale) return scaleHandler(deps.registry)
      if (subresource === 'status' || kind.subresources?.[subresource]) {
        return strategyHandler(deps.registry)
      }
      return undefined
    },
    paths: keyPaths(deps),
  }
}
