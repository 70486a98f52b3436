// Subresources that are another way to write the object itself: status, finalize, approval,
// ephemeralcontainers, resize. What each may change is in the Kind.

import { methodNotAllowed } from '../not-found.ts'
import type { RegistryDeps } from '../registry.ts'
import { getObject, patchObject, putObject } from '../registry.ts'
import type { SpecialHandler } from '../router.ts'

export function strategyHandler(deps: RegistryDeps): SpecialHandler {
  return async (request) => {
    switch (request.exchange.info.verb) {
      case 'get':
        return getObject(deps, request)
      case 'update':
        return putObject(deps, request)
      case 'patch':
        return patchObject(deps, request)
      default:
        throw methodNotAllowed()
    }
  }
}
