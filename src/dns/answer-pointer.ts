// Reverse zones: which names an address has (dns.md 1.7).
import { answerNameservers, soaOf } from './apex.ts'
import { addressOfReverseName } from './wire/address.ts'
import { TYPE } from './wire/codes.ts'
import { nameRecord } from './wire/rdata.ts'
import { endpointLabel } from './zone-objects.ts'
import type { ZoneAnswer, ZoneQuery, ZoneView } from './zone-view.ts'
import { found, missing, nodata } from './zone-view.ts'

export function answerPointer(view: ZoneView, query: ZoneQuery): ZoneAnswer {
  if (query.lower === view.origin) {
    if (query.type === TYPE.SOA) return found([soaOf(view, query.name)])
    return query.type === TYPE.NS ? answerNameservers(view, query) : nodata
  }
  const address = addressOfReverseName(query.lower)
  const names = address === undefined ? [] : namesOf(view, address)
  if (names.length === 0) return missing
  if (query.type !== TYPE.PTR) return nodata
  const owner = { name: query.name, ttl: view.options.ttl }
  return found(names.map((name) => nameRecord(owner, TYPE.PTR, name)))
}

/** A cluster IP's Service, else every endpoint the address is. */
function namesOf(view: ZoneView, address: string): readonly string[] {
  const { index, options } = view
  const isExposed = (namespace: string) => options.namespaces?.has(namespace) ?? true
  const suffix = `svc.${view.primaryOrigin}`
  for (const service of index.servicesByClusterIP(address)) {
    if (isExposed(service.namespace)) return [`${service.name}.${service.namespace}.${suffix}`]
  }
  const names = new Set<string>()
  for (const { service, endpoint } of index.endpointsByAddress(address)) {
    const [namespace = '', name = ''] = service.split('/')
    if (!isExposed(namespace)) continue
    names.add(`${endpointLabel(endpoint, options.endpointPodNames)}.${name}.${namespace}.${suffix}`)
  }
  return [...names]
}
