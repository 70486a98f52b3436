// The chains of the data plane's table: the base chains, the same for every set of Services, and
// those that serve all frontends with the same number of slots in the same way ("c-3").
import type {
  BaseChain,
  Chain,
  Family,
  KeyPart,
  MatchStatement,
  Rule,
  Statement,
} from '../linux/nftables/objects.ts'

/** What the rules know of this node and its configuration, for one IP family. */
export interface DataplaneConfig {
  readonly family: Family
  readonly tableName: string
  /** One bit, private to us: "masquerade this connection". */
  readonly masqueradeMark: number
  readonly masqueradeAll: boolean
  /** Matches packets of this node's Pods; absent: they cannot be told from others. */
  readonly localDetector?: LocalDetector | undefined
  /** "all": NodePorts on any local address; else on those in the set nodeport-ips. */
  readonly nodePortAddresses: 'all' | readonly string[]
  /** All addresses NodePorts can be dialled at, also for "all". */
  readonly localAddresses: readonly string[]
  readonly serviceCIDRs: readonly string[]
  /** The node's primary address of this family. */
  readonly nodeIP?: string | undefined
}

export interface LocalDetector {
  readonly field: 'ip saddr' | 'ip6 saddr' | 'iifname'
  readonly value: string
}

/**
 * How a frontend is served:
 * - pick: DNAT to one of N slots; `keep` tries the client's affinity record first
 * - cluster: a ClusterIP; masquerades sources that are not Pods of this node
 * - external: masquerades every source
 * - local: policy Local; keeps the source, and sends this node's own traffic to any endpoint
 */
export interface ServiceChain {
  readonly role: 'pick' | 'cluster' | 'external' | 'local'
  /** Slots of the local endpoints instead of all. */
  readonly localSlots: boolean
  readonly nodePort: boolean
  readonly affinity: boolean
  readonly slots: number
}

const rolePrefixes = { pick: 'pick', cluster: 'c', external: 'x', local: 'l' } as const

export const rejectChain = 'reject'

/** "c-3", "lpick-2", "npxa-2": np NodePort, l local slots, the role, a affinity, the slot count. */
export function chainName({ role, localSlots, nodePort, affinity, slots }: ServiceChain): string {
  const local = localSlots && role !== 'local' ? 'l' : ''
  return `${nodePort ? 'np' : ''}${local}${rolePrefixes[role]}${affinity ? 'a' : ''}-${slots}`
}

export function recordChainName(seconds: number): string {
  return `rec-${seconds}`
}

export interface Parts {
  readonly saddr: 'ip saddr' | 'ip6 saddr'
  readonly daddr: 'ip daddr' | 'ip6 daddr'
  readonly frontend: readonly KeyPart[]
  readonly nodePort: readonly KeyPart[]
  readonly originalFrontend: readonly KeyPart[]
}

/** The fields that make up the keys of the sets, in each family's spelling. */
export function partsOf(family: Family): Parts {
  const daddr = `${family} daddr` as const
  return {
    saddr: `${family} saddr`,
    daddr,
    frontend: [daddr, 'meta l4proto', 'th dport'],
    nodePort: ['meta l4proto', 'th dport'],
    originalFrontend: [`ct original ${family} daddr`, 'meta l4proto', 'ct original proto-dst'],
  }
}

/** A service chain and every chain it leads to, each with its rules. */
export function buildServiceChains(chain: ServiceChain, config: DataplaneConfig): Chain[] {
  const { role, affinity, slots } = chain
  const name = chainName(chain)
  const next: ServiceChain = affinity
    ? { ...chain, role: 'pick' }
    : { ...chain, role: 'pick', affinity: false }
  const goNext: Rule[] = slots > 0 ? [[verdict(`goto ${chainName(next)}`)]] : []
  const rest = slots > 0 && role !== 'pick' ? buildServiceChains(next, config) : []
  switch (role) {
    case 'pick':
      if (!affinity) return [{ name, rules: pickRules(chain, config.family) }]
      return [
        { name, rules: [affinityRule(config.family), ...plainPick(chain)] },
        ...buildServiceChains({ ...chain, affinity: false }, config),
      ]
    case 'cluster':
      return [{ name, rules: [...clusterMarkRules(config), ...goNext] }, ...rest]
    case 'external':
      return [{ name, rules: [[setMark(config)], ...goNext] }, ...rest]
    case 'local':
      return [{ name, rules: [...shortCircuitRules(chain, config), ...goNext] }, ...rest]
  }
}

function plainPick(chain: ServiceChain): Rule[] {
  return [[verdict(`goto ${chainName({ ...chain, affinity: false })}`)]]
}

/**
 * The second rule is for a packet that meets the verdict of before a commit and the slots of
 * after it: slot 0 exists as long as there is any endpoint (proxy spec 2.4).
 */
function pickRules({ localSlots, nodePort, slots }: ServiceChain, family: Family): Rule[] {
  const { frontend, nodePort: nodePortKey } = partsOf(family)
  const map = `${nodePort ? 'np' : ''}${localSlots ? 'lep' : 'ep'}`
  const key = nodePort ? nodePortKey : frontend
  const draw = (count: number): Rule => [
    { type: 'dnat', key: [...key, `numgen random mod ${count}`], map },
  ]
  return slots > 1 ? [draw(slots), draw(1)] : [draw(1)]
}

function affinityRule(family: Family): Rule {
  const { saddr, frontend } = partsOf(family)
  return [{ type: 'dnat', key: [saddr, ...frontend], map: 'aff' }]
}

function clusterMarkRules(config: DataplaneConfig): Rule[] {
  if (config.masqueradeAll) return [[setMark(config)]]
  const { localDetector } = config
  return localDetector ? [[match(localDetector, '!='), setMark(config)]] : []
}

/** This node's Pods and processes reach every endpoint, as if the policy were Cluster. */
function shortCircuitRules({ nodePort }: ServiceChain, config: DataplaneConfig): Rule[] {
  const { frontend, nodePort: nodePortKey } = partsOf(config.family)
  const shortCircuit: Statement = nodePort
    ? { type: 'vmap', key: nodePortKey, map: 'npshort' }
    : { type: 'vmap', key: frontend, map: 'short' }
  const { localDetector } = config
  const fromNode: Statement = {
    type: 'match',
    field: 'fib saddr type',
    op: '==',
    value: 'local',
  }
  return [
    ...(localDetector ? [[match(localDetector, '=='), shortCircuit]] : []),
    // The node's own source may be the very address it dials, so its packets are masqueraded.
    [fromNode, setMark(config)],
    [fromNode, shortCircuit],
  ]
}

/** Remembers, when the connection leaves, which endpoint its client was given. */
export function buildRecordChain(seconds: number, { family }: DataplaneConfig): Chain {
  const { saddr, daddr, originalFrontend } = partsOf(family)
  const update: Statement = {
    type: 'update',
    set: 'aff',
    key: [saddr, ...originalFrontend],
    value: [daddr, 'th dport'],
    timeoutSeconds: seconds,
  }
  return { name: recordChainName(seconds), rules: [[update]] }
}

/**
 * The hooks, in the order a packet meets them:
 *
 *   prerouting -110 ─> prerouting -100 ─┬─> input 0                            (to this node)
 *   (source ranges)    (svc, nport)     └─> forward 0 ─> postrouting 100       (to a Pod)
 *   output -110 ─────> output -100 ───────> output 0 ──> postrouting 100       (from this node)
 *                                           (deny)       (affinity, masquerade)
 */
export function buildBaseChains(config: DataplaneConfig): Chain[] {
  const firewall = firewallRules(config)
  const dispatch = dispatchRules(config)
  const deny = denyRules(config)
  const unserved = [...deny, ...clusterIPRules(config)]
  return [
    { name: rejectChain, rules: rejectRules },
    base('firewall-prerouting', ['filter', 'prerouting', -110], firewall),
    base('firewall-output', ['filter', 'output', -110], firewall),
    base('nat-prerouting', ['nat', 'prerouting', -100], dispatch),
    base('nat-output', ['nat', 'output', -100], dispatch),
    base('filter-input', ['filter', 'input', 0], [...deny, ...nodePortDenyRules(config)]),
    base('filter-forward', ['filter', 'forward', 0], unserved),
    base('filter-output', ['filter', 'output', 0], unserved),
    base('nat-postrouting', ['nat', 'postrouting', 100], postroutingRules(config)),
  ]
}

/** A reset is never rate-limited, and reaches a client that is still within connect() (0063). */
const rejectRules: readonly Rule[] = [
  [
    { type: 'match', field: 'meta l4proto', op: '==', value: 'tcp' },
    { type: 'reject', with: 'tcp reset' },
  ],
  [{ type: 'reject' }],
]

function base(
  name: string,
  [type, hook, priority]: [BaseChain['type'], BaseChain['hook'], number],
  rules: Rule[],
): Chain {
  return { name, base: { type, hook, priority }, rules }
}

function firewallRules({ family }: DataplaneConfig): Rule[] {
  const { frontend, saddr } = partsOf(family)
  return [
    [
      newConnection,
      { type: 'lookup', key: frontend, set: 'fw-dst', op: '==' },
      { type: 'lookup', key: [...frontend, saddr], set: 'fw-allow', op: '!=' },
      verdict('drop'),
    ],
  ]
}

function dispatchRules(config: DataplaneConfig): Rule[] {
  const { frontend, nodePort } = partsOf(config.family)
  return [
    [{ type: 'vmap', key: frontend, map: 'svc' }],
    [...toNodePortAddress(config), { type: 'vmap', key: nodePort, map: 'nport' }],
  ]
}

/** Never the loopback addresses: that would need route_localnet, which opens the node. */
function toNodePortAddress({ family, nodePortAddresses }: DataplaneConfig): Statement[] {
  const { daddr } = partsOf(family)
  if (nodePortAddresses !== 'all')
    return [{ type: 'lookup', key: [daddr], set: 'nodeport-ips', op: '==' }]
  const loopback = family === 'ip' ? '127.0.0.0/8' : '::1'
  return [
    { type: 'match', field: 'fib daddr type', op: '==', value: 'local' },
    { type: 'match', field: daddr, op: '!=', value: loopback },
  ]
}

/** After DNAT: a packet that still bears a frontend's address was not served. */
function denyRules({ family }: DataplaneConfig): Rule[] {
  const { frontend } = partsOf(family)
  return [[newConnection, { type: 'vmap', key: frontend, map: 'deny' }]]
}

function nodePortDenyRules(config: DataplaneConfig): Rule[] {
  const { nodePort } = partsOf(config.family)
  return [
    [newConnection, ...toNodePortAddress(config), { type: 'vmap', key: nodePort, map: 'npdeny' }],
  ]
}

/** A port that a Service does not have is refused; an address no Service has is silent. */
function clusterIPRules({ family, serviceCIDRs }: DataplaneConfig): Rule[] {
  const { daddr } = partsOf(family)
  return [
    [
      newConnection,
      { type: 'lookup', key: [daddr], set: 'cluster-ips', op: '==' },
      verdict(`goto ${rejectChain}`),
    ],
    ...serviceCIDRs.map(
      (cidr): Rule => [
        newConnection,
        { type: 'match', field: daddr, op: '==', value: cidr },
        verdict('drop'),
      ],
    ),
  ]
}

function postroutingRules(config: DataplaneConfig): Rule[] {
  const { saddr, daddr, originalFrontend } = partsOf(config.family)
  const mark = String(config.masqueradeMark)
  const isMarked: MatchStatement = {
    type: 'match',
    field: 'meta mark',
    op: '==',
    value: formatBits(mark),
    mask: formatBits(mark),
  }
  return [
    [{ type: 'vmap', key: originalFrontend, map: 'affrec' }],
    // Cleared, so that the packet is not masqueraded again when it comes back encapsulated.
    [isMarked, { type: 'setMark', op: '^', bits: config.masqueradeMark }, { type: 'masquerade' }],
    [{ type: 'lookup', key: [saddr, daddr], set: 'hairpin', op: '==' }, { type: 'masquerade' }],
  ]
}

function formatBits(number: string): string {
  return `0x${Number(number).toString(16).padStart(8, '0')}`
}

const newConnection: MatchStatement = {
  type: 'match',
  field: 'ct state',
  op: '==',
  value: 'new',
}

function setMark({ masqueradeMark }: DataplaneConfig): Statement {
  return { type: 'setMark', op: '|', bits: masqueradeMark }
}

function match({ field, value }: LocalDetector, op: '==' | '!='): MatchStatement {
  return { type: 'match', field, op, value }
}

function verdict(text: `goto ${string}` | 'drop'): Statement {
  return { type: 'verdict', verdict: text }
}
