// What the cluster DNS ought to answer, by the DNS server's own function over the objects seen.
import type { Namespace, Service } from '../api/types/core.gen.ts'
import type { EndpointSlice } from '../api/types/discovery.gen.ts'
import { answer } from '../dns/answer.ts'
import { formatAddress } from '../dns/wire/address.ts'
import { TYPE } from '../dns/wire/codes.ts'
import { Zone } from '../dns/zone.ts'
import type { Lookup } from './resolver.ts'

export interface ZoneObjects {
  readonly namespaces: readonly Namespace[]
  readonly services: readonly Service[]
  readonly endpointSlices: readonly EndpointSlice[]
}

/** Undefined for names outside the cluster domain: resolvers elsewhere answer those. */
export function answerPredictor(
  objects: ZoneObjects,
  clusterDomain: string,
): (name: string, type: 'A' | 'AAAA') => Lookup | undefined {
  const zone = new Zone(0)
  for (const namespace of objects.namespaces) zone.setNamespace(namespace)
  for (const service of objects.services) zone.setService(service, 0)
  for (const slice of objects.endpointSlices) zone.setSlice(slice, 0)
  const origin = `${clusterDomain.toLowerCase()}.`
  const view: Parameters<typeof answer>[0] = {
    index: zone,
    options: {
      ttl: 30,
      pods: 'insecure',
      endpointPodNames: false,
      ignoreEmptyService: false,
      zonal: false,
    },
    origin,
    reverse: false,
    primaryOrigin: origin,
    localAddresses: [],
  }
  return (name, type) => {
    const lower = name.toLowerCase()
    if (lower !== origin && !lower.endsWith(`.${origin}`)) return undefined
    const { outcome, answers } = answer(view, { name, lower, type: TYPE[type] })
    const addresses = answers
      .filter((record) => record.type === TYPE[type])
      .map(({ data }) => formatAddress(data))
    return { name, rcode: outcome === 'missing' ? 'NXDOMAIN' : 'NOERROR', addresses }
  }
}
