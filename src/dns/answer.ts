// What the cluster zone says to a query: a pure function of the index, the options and the question.
// Upstream counterpart: plugin/kubernetes (handler.go, kubernetes.go, reverse.go). Rules: dns.md 1.

import { answerPointer } from './answer-pointer.ts'
import { answerNameserver, answerNameservers, soaOf } from './apex.ts'
import type { ServiceQuestion, ZoneQuestion } from './question.ts'
import { addressOfPodLabel, parseQuestion } from './question.ts'
import { isIpv6, parseAddress } from './wire/address.ts'
import { TYPE } from './wire/codes.ts'
import type { ResourceRecord } from './wire/message.ts'
import { isBelow, lowerName } from './wire/name.ts'
import { addressRecord, nameRecord, srvRecord, txtRecord } from './wire/rdata.ts'
import type { ZoneEndpoint, ZonePort, ZoneService, ZoneSlice } from './zone-objects.ts'
import { endpointLabel } from './zone-objects.ts'
import type { ZoneAnswer, ZoneQuery, ZoneView } from './zone-view.ts'
import { found, missing, nodata } from './zone-view.ts'

export const schemaVersion = '1.1.0'
const schemaVersionTtl = 28_800

/** Links of a CNAME chain inside the zone that are followed. */
const maxChain = 10

export function answer(view: ZoneView, query: ZoneQuery): ZoneAnswer {
  if (view.reverse) return answerPointer(view, query)
  return answerNames(view, query, [])
}

/** `chain` holds the CNAME targets that led here. */
function answerNames(view: ZoneView, query: ZoneQuery, chain: readonly string[]): ZoneAnswer {
  const question = parseQuestion(query.lower, view.origin, view.options.zonal)
  switch (question.kind) {
    case 'apex':
      return answerApex(view, query)
    case 'branch':
      return nodata
    case 'version':
      if (query.type !== TYPE.TXT) return missing
      return found([txtRecord({ name: query.name, ttl: schemaVersionTtl }, [schemaVersion])])
    case 'nameserver':
      return answerNameserver(view, query)
    case 'namespace': {
      const enabled = question.branch === 'svc' || view.options.pods !== 'disabled'
      return enabled && isExposed(view, question.namespace) ? nodata : missing
    }
    case 'pod':
      return answerPod(view, query, question)
    case 'service':
      return answerService(view, query, { question, chain })
    case 'nothing':
      return missing
  }
}

function answerApex(view: ZoneView, query: ZoneQuery): ZoneAnswer {
  if (query.type === TYPE.SOA) return found([soaOf(view, query.name)])
  return query.type === TYPE.NS ? answerNameservers(view, query) : nodata
}

function isExposed(view: ZoneView, namespace: string): boolean {
  if (view.options.namespaces && !view.options.namespaces.has(namespace)) return false
  return view.index.hasNamespace(namespace)
}

function answerPod(
  view: ZoneView,
  query: ZoneQuery,
  question: Extract<ZoneQuestion, { kind: 'pod' }>,
): ZoneAnswer {
  const { pods } = view.options
  if (pods === 'disabled' || !isExposed(view, question.namespace)) return missing
  const address = addressOfPodLabel(question.label)
  if (parseAddress(address) === undefined) return missing
  if (pods === 'verified' && !view.index.hasPod(question.namespace, address)) return missing
  const owner = { name: query.name, ttl: view.options.ttl }
  if (query.type === TYPE.SRV) {
    const srv = { priority: 0, weight: 100, port: 0, target: query.name }
    return found([srvRecord(owner, srv)], [addressRecord(owner, address)])
  }
  return isWanted(address, query.type) ? found([addressRecord(owner, address)]) : nodata
}

const isWanted = (address: string, type: number): boolean =>
  type === (isIpv6(address) ? TYPE.AAAA : TYPE.A)

interface ServiceContext {
  readonly question: ServiceQuestion
  readonly chain: readonly string[]
}

function answerService(view: ZoneView, query: ZoneQuery, context: ServiceContext): ZoneAnswer {
  const { question } = context
  if (!isExposed(view, question.namespace)) return missing
  const key = `${question.namespace}/${question.service}`
  const service = view.index.service(key)
  if (!service) return missing
  if (service.kind === 'externalName') {
    if (question.endpoint !== undefined || question.port || question.topology) return missing
    return answerExternalName(view, query, { service, chain: context.chain })
  }
  const slices = view.index.slices(key)
  const empty = slices.every((slice) => slice.endpoints.length === 0)
  if (view.options.ignoreEmptyService && service.kind === 'clusterIP' && empty) return missing
  const entries =
    service.kind === 'headless' || question.endpoint !== undefined
      ? endpointEntries(view, slices, { service, question })
      : clusterIPEntries(service, question)
  if (entries === undefined) return missing
  return answerEntries(view, query, { service, entries })
}

/** One address that a Service's name stands for, with one of its ports; SRV answers are made of them. */
interface Entry {
  readonly address: string
  /** -1: the Service has no ports, so that there is an address but no SRV. */
  readonly port: number
  /** Empty: the Service's own name is the target; else the endpoint's label. */
  readonly label: string
}

const noPort: ZonePort = { name: '', protocol: '', port: -1 }

/** The ports a question asks for; undefined where it names one that is not there. */
function matchPorts(
  ports: readonly ZonePort[],
  wanted: ServiceQuestion['port'],
): readonly ZonePort[] {
  if (!wanted) return ports.length > 0 ? ports : [noPort]
  return ports.filter((port) => port.name === wanted.name && port.protocol === wanted.protocol)
}

function clusterIPEntries(
  service: ZoneService,
  question: ServiceQuestion,
): readonly Entry[] | undefined {
  if (question.topology) return undefined
  const ports = matchPorts(service.ports, question.port)
  if (ports.length === 0) return undefined
  return ports.flatMap(({ port }) =>
    service.addresses.map((address) => ({ address, port, label: '' })),
  )
}

/** Ready addresses, of one endpoint or all; undefined where there is none (a headless NXDOMAIN). */
function endpointEntries(
  view: ZoneView,
  slices: readonly ZoneSlice[],
  { service, question }: { service: ZoneService; question: ServiceQuestion },
): readonly Entry[] | undefined {
  if (question.topology && service.kind !== 'headless') return undefined
  const chosen = chooseByTopology(slices, question.topology)
  const entries: Entry[] = []
  for (const slice of slices) {
    const ports = matchPorts(slice.ports, question.port)
    for (const endpoint of slice.endpoints) {
      const label = endpointLabel(endpoint, view.options.endpointPodNames)
      if (question.endpoint !== undefined && question.endpoint !== label) continue
      if (!chosen(endpoint)) continue
      for (const { port } of ports) entries.push({ address: endpoint.address, port, label })
    }
  }
  if (entries.length > 0) return entries
  const pinned = question.topology && slices.some((slice) => slice.endpoints.length > 0)
  return pinned ? [] : undefined
}

function chooseByTopology(
  slices: readonly ZoneSlice[],
  topology: ServiceQuestion['topology'],
): (endpoint: ZoneEndpoint) => boolean {
  if (!topology) return () => true
  const inZone = (endpoint: ZoneEndpoint) => endpoint.topologyZone === topology.zone
  const fallBack = topology.rule === 'prefer' && !slices.some((s) => s.endpoints.some(inZone))
  return fallBack ? () => true : inZone
}

function answerEntries(
  view: ZoneView,
  query: ZoneQuery,
  { service, entries }: { service: ZoneService; entries: readonly Entry[] },
): ZoneAnswer {
  if (query.type === TYPE.SRV) return answerSrv(view, query, { service, entries })
  if (query.type !== TYPE.A && query.type !== TYPE.AAAA) return nodata
  const owner = { name: query.name, ttl: view.options.ttl }
  const addresses = new Set<string>()
  for (const { address } of entries) if (isWanted(address, query.type)) addresses.add(address)
  if (addresses.size === 0) return nodata
  return found(Array.from(addresses, (address) => addressRecord(owner, address)))
}

function answerSrv(
  view: ZoneView,
  query: ZoneQuery,
  { service, entries }: { service: ZoneService; entries: readonly Entry[] },
): ZoneAnswer {
  const ported = entries.filter(({ port }) => port >= 0)
  if (ported.length === 0) return nodata
  // Counted before duplicates go, both families together: CoreDNS's weights (spec 1.4).
  const weight = Math.max(1, Math.floor(100 / ported.length))
  const { ttl } = view.options
  const origin = query.name.slice(query.name.length - view.origin.length)
  const base = `${service.name}.${service.namespace}.svc.${origin}`
  const answers = new Map<string, ResourceRecord>()
  const glue = new Map<string, ResourceRecord>()
  for (const { address, port, label } of ported) {
    const target = label === '' ? base : `${label}.${base}`
    const srv = { priority: 0, weight, port, target }
    if (!answers.has(`${port} ${target}`)) {
      answers.set(`${port} ${target}`, srvRecord({ name: query.name, ttl }, srv))
    }
    if (!glue.has(`${address} ${target}`)) {
      glue.set(`${address} ${target}`, addressRecord({ name: target, ttl }, address))
    }
  }
  return found([...answers.values()], [...glue.values()])
}

function answerExternalName(
  view: ZoneView,
  query: ZoneQuery,
  { service, chain }: { service: ZoneService; chain: readonly string[] },
): ZoneAnswer {
  const { type } = query
  if (type !== TYPE.A && type !== TYPE.AAAA && type !== TYPE.CNAME) return nodata
  const target = service.externalName
  const owner = { name: query.name, ttl: view.options.ttl }
  const cname = nameRecord(owner, TYPE.CNAME, target)
  if (type === TYPE.CNAME) return found([cname])
  const lower = lowerName(target)
  if (!isBelow(lower, view.origin)) return { ...found([cname]), follow: target }
  // Inside the zone the chain is followed here. A target without the type, a loop or a chain too
  // long leaves nothing, not even the CNAME (spec 1.5).
  if (chain.length >= maxChain || lower === query.lower || chain.includes(lower)) return nodata
  const next = answerNames(view, { name: target, lower, type }, [...chain, lower])
  if (next.outcome !== 'found') return nodata
  return { ...next, answers: [cname, ...next.answers] }
}
