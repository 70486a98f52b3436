// The records of the zone itself: SOA, NS and the addresses of the name server (dns.md 1.8).
import { isIpv6 } from './wire/address.ts'
import { TYPE } from './wire/codes.ts'
import type { ResourceRecord } from './wire/message.ts'
import { addressRecord, nameRecord, soaRecord } from './wire/rdata.ts'
import { endpointLabel } from './zone-objects.ts'
import type { ZoneAnswer, ZoneQuery, ZoneView } from './zone-view.ts'
import { found, nodata } from './zone-view.ts'

/** A SOA is not kept longer than this by resolvers that cache negative answers. */
const maxSoaTtl = 300

/** `zone` as the query spells it. */
export function soaOf(view: ZoneView, zone: string): ResourceRecord {
  const { ttl } = view.options
  const below = zone === '.' ? '' : zone
  return soaRecord(
    { name: zone, ttl: Math.min(ttl, maxSoaTtl) },
    {
      mname: `ns.dns.${below}`,
      rname: `hostmaster.${below}`,
      serial: view.index.serial,
      refresh: 7200,
      retry: 1800,
      expire: 86_400,
      minimum: ttl,
    },
  )
}

export function answerNameservers(view: ZoneView, query: ZoneQuery): ZoneAnswer {
  const origin = view.reverse ? view.primaryOrigin : query.name
  const servers = nameservers(view, origin)
  if (servers.length === 0) return nodata
  const { ttl } = view.options
  const names = [...new Set(servers.map((server) => server.name))]
  return found(
    names.map((name) => nameRecord({ name: query.name, ttl }, TYPE.NS, name)),
    servers.map((server) => addressRecord({ name: server.name, ttl }, server.address)),
  )
}

/** "ns.dns.<zone>": the same addresses under one name. */
export function answerNameserver(view: ZoneView, query: ZoneQuery): ZoneAnswer {
  const owner = { name: query.name, ttl: view.options.ttl }
  const wanted = nameservers(view, view.origin).filter(
    ({ address }) => query.type === (isIpv6(address) ? TYPE.AAAA : TYPE.A),
  )
  if (wanted.length === 0) return nodata
  const addresses = new Set(wanted.map(({ address }) => address))
  return found([...addresses].map((address) => addressRecord(owner, address)))
}

interface Nameserver {
  readonly name: string
  readonly address: string
}

/** The Services that stand in front of this server, else the server's own addresses. */
function nameservers(view: ZoneView, origin: string): readonly Nameserver[] {
  const servers = new Map<string, Nameserver>()
  const add = (name: string, address: string) =>
    servers.set(`${name} ${address}`, { name, address })
  for (const local of view.localAddresses) {
    for (const { service: key, endpoint } of view.index.endpointsByAddress(local)) {
      const service = view.index.service(key)
      if (!service) continue
      const name = `${service.name}.${service.namespace}.svc.${origin}`
      if (service.kind === 'headless') {
        add(`${endpointLabel(endpoint, view.options.endpointPodNames)}.${name}`, local)
      } else {
        for (const address of service.addresses) add(name, address)
      }
    }
  }
  if (servers.size === 0) {
    for (const address of view.localAddresses) add(`ns.dns.${origin}`, address)
  }
  return [...servers.values()]
}
