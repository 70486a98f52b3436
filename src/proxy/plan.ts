// One Service to the elements that serve it (proxy spec 1.5, 1.6, 1.9): which chain each frontend
// goes to, which endpoints fill its slots, and what happens when there are none. Pure.
import { cidrContains, parseCidr, parseIp } from '../lib/ip.ts'
import {
  chainName,
  type DataplaneConfig,
  recordChainName,
  rejectChain,
  type ServiceChain,
} from './chains.ts'
import { type Endpoint, endpointKey, type ServicePort } from './serviceports.ts'
import type { SetName } from './sets.ts'
import { type Choice, chooseEndpoints, type NodeTopology } from './topology.ts'

export interface Frontend {
  readonly class: 'ClusterIP' | 'LoadBalancer' | 'ExternalIP' | 'NodePort'
  /** "10.96.0.10 . tcp . 80", for NodePorts "tcp . 30080": the key in the dispatch maps. */
  readonly key: string
}

export interface ServicePlan {
  readonly elements: ReadonlyMap<SetName, ReadonlyMap<string, string>>
  /** Members of sets that other Services may need too: they stay until the last one lets go. */
  readonly shared: ReadonlySet<SharedElement>
  readonly chains: ReadonlyMap<string, ServiceChain>
  readonly recordSeconds: ReadonlySet<number>
  readonly ports: readonly PlannedPort[]
}

export type SharedElement = `${'hairpin' | 'cluster-ips'} ${string}`

/** What was decided for one port: for clean-up, health checks, metrics and `explain`. */
export interface PlannedPort {
  readonly port: ServicePort
  readonly frontends: readonly Frontend[]
  readonly choice: Choice
}

export interface PlanContext {
  readonly config: DataplaneConfig
  readonly node: NodeTopology
  /** False for a frontend that an older Service holds. */
  owns(frontend: Frontend): boolean
  /** Arranges endpoints in the slots of a frontend, keeping those already placed. */
  slots(set: SetName, frontend: string, wanted: readonly string[]): readonly string[]
}

/** In order of precedence: the first of these that claims a key has it. */
export const frontendClasses = ['ClusterIP', 'LoadBalancer', 'ExternalIP', 'NodePort'] as const

export function frontendsOf(port: ServicePort): Frontend[] {
  const at = (ip: string): string => `${ip} . ${port.protocol} . ${port.port}`
  return [
    { class: 'ClusterIP', key: at(port.clusterIP) },
    ...port.loadBalancerIPs.map((ip) => ({ class: 'LoadBalancer', key: at(ip) }) as const),
    ...port.externalIPs.map((ip) => ({ class: 'ExternalIP', key: at(ip) }) as const),
    ...(port.nodePort === 0
      ? []
      : [{ class: 'NodePort', key: `${port.protocol} . ${port.nodePort}` } as const]),
  ]
}

export function planService(ports: readonly ServicePort[], context: PlanContext): ServicePlan {
  const plan = new PlanBuilder(context)
  for (const port of ports) plan.addPort(port)
  return plan.build()
}

class PlanBuilder {
  readonly #context: PlanContext
  readonly #elements = new Map<SetName, Map<string, string>>()
  readonly #shared = new Set<SharedElement>()
  readonly #chains = new Map<string, ServiceChain>()
  readonly #recordSeconds = new Set<number>()
  readonly #ports: PlannedPort[] = []

  constructor(context: PlanContext) {
    this.#context = context
  }

  build(): ServicePlan {
    return {
      elements: this.#elements,
      shared: this.#shared,
      chains: this.#chains,
      recordSeconds: this.#recordSeconds,
      ports: this.#ports,
    }
  }

  addPort(port: ServicePort): void {
    const choice = chooseEndpoints(port, this.#context.node)
    const frontends = frontendsOf(port).filter((frontend) => this.#context.owns(frontend))
    this.#ports.push({ port, frontends, choice })
    this.#shared.add(`cluster-ips ${port.clusterIP}`)
    for (const frontend of frontends) {
      this.#addFrontend(frontend, port, choice)
      if (port.affinitySeconds !== undefined) this.#recordAffinity(frontend, port.affinitySeconds)
      if (frontend.class === 'LoadBalancer') this.#restrictSources(frontend, port)
    }
    for (const endpoint of [...choice.cluster, ...choice.local]) {
      const { ip } = endpoint
      if (this.#mayDialItself(endpoint)) this.#shared.add(`hairpin ${ip} . ${ip}`)
    }
  }

  /** A Pod of this node. The node's own answers find their way back without help. */
  #mayDialItself({ ip, isLocal, nodeName }: Endpoint): boolean {
    const { nodeIP, localAddresses } = this.#context.config
    if (ip === nodeIP || localAddresses.includes(ip)) return false
    return isLocal || nodeName === undefined
  }

  #addFrontend(frontend: Frontend, port: ServicePort, choice: Choice): void {
    const nodePort = frontend.class === 'NodePort'
    const isInternal = frontend.class === 'ClusterIP'
    const policy = isInternal ? port.internalPolicy : port.externalPolicy
    const affinity = port.affinitySeconds !== undefined
    const shape = { nodePort, affinity }
    if (!choice.anyEndpoints) {
      this.#deny(frontend, `goto ${rejectChain}`)
    } else if (policy === 'Cluster') {
      const slots = this.#fillSlots(frontend, choice.cluster, false)
      const role = isInternal ? 'cluster' : 'external'
      this.#serve(frontend, { ...shape, role, localSlots: false, slots })
    } else if (isInternal) {
      if (choice.local.length === 0) return this.#deny(frontend, 'drop')
      const slots = this.#fillSlots(frontend, choice.local, true)
      this.#serve(frontend, { ...shape, role: 'cluster', localSlots: true, slots })
    } else {
      const slots = this.#fillSlots(frontend, choice.local, true)
      const all = this.#fillSlots(frontend, choice.cluster, false)
      this.#serve(frontend, { ...shape, role: 'local', localSlots: true, slots })
      const short = this.#chain({ ...shape, role: 'pick', localSlots: false, slots: all })
      this.#put(nodePort ? 'npshort' : 'short', frontend.key, `goto ${short}`)
      // Only those from elsewhere come this far: there is nothing here for them.
      if (slots === 0) this.#deny(frontend, 'drop')
    }
  }

  #serve(frontend: Frontend, chain: ServiceChain): void {
    const map = frontend.class === 'NodePort' ? 'nport' : 'svc'
    this.#put(map, frontend.key, `goto ${this.#chain(chain)}`)
  }

  #deny(frontend: Frontend, verdict: 'drop' | `goto ${string}`): void {
    this.#put(frontend.class === 'NodePort' ? 'npdeny' : 'deny', frontend.key, verdict)
  }

  #chain(chain: ServiceChain): string {
    const name = chainName(chain)
    this.#chains.set(name, chain)
    return name
  }

  #fillSlots(frontend: Frontend, endpoints: readonly Endpoint[], local: boolean): number {
    const nodePort = frontend.class === 'NodePort'
    const set: SetName = nodePort ? (local ? 'nplep' : 'npep') : local ? 'lep' : 'ep'
    const slots = this.#context.slots(set, frontend.key, endpoints.map(endpointKey))
    for (const [index, endpoint] of slots.entries())
      this.#put(set, `${frontend.key} . ${slotText(index)}`, endpoint)
    return slots.length
  }

  #recordAffinity(frontend: Frontend, seconds: number): void {
    this.#recordSeconds.add(seconds)
    const verdict = `jump ${recordChainName(seconds)}`
    // Conntrack knows the address that was dialled: a NodePort has one frontend for each.
    const keys =
      frontend.class === 'NodePort'
        ? this.#context.config.localAddresses.map((ip) => `${ip} . ${frontend.key}`)
        : [frontend.key]
    for (const key of keys) this.#put('affrec', key, verdict)
  }

  #restrictSources(frontend: Frontend, port: ServicePort): void {
    if (port.sourceRanges.length === 0) return
    this.#put('fw-dst', frontend.key, '')
    const { nodeIP } = this.#context.config
    // The node dials a load balancer's address from that very address.
    const own = nodeIP && isWithin(nodeIP, port.sourceRanges) ? port.loadBalancerIPs : []
    const extra = own.filter((ip) => !isWithin(ip, port.sourceRanges))
    for (const source of [...port.sourceRanges, ...extra])
      this.#put('fw-allow', `${frontend.key} . ${source}`, '')
  }

  #put(set: SetName, key: string, value: string): void {
    const elements = this.#elements.get(set)
    if (elements) elements.set(key, value)
    else this.#elements.set(set, new Map([[key, value]]))
  }
}

export function slotText(index: number): string {
  return `0x${index.toString(16).padStart(8, '0')}`
}

function isWithin(ip: string, cidrs: readonly string[]): boolean {
  const address = parseIp(ip)
  if (!address) return false
  return cidrs.some((text) => {
    const cidr = parseCidr(text)
    return cidr ? cidrContains(cidr, address) : text === ip
  })
}
