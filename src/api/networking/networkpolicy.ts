// NetworkPolicy: who may talk to whom, for a network that enforces it.
import { cidrContains, parseCidr } from '../../lib/ip.ts'
import { portNumberOrName, protocols } from '../core/service-validation.ts'
import { ageOf, columnsOf, selectorCell } from '../machinery/columns.ts'
import type { Draft } from '../machinery/draft.ts'
import { forbidden, invalid, notSupported, required } from '../machinery/field-error.ts'
import type { Kind } from '../machinery/kind.ts'
import { validateLabelSelector } from '../machinery/labels.ts'
import { cidrBlock, type Errors, forEach, none, oneOf } from '../machinery/validation.ts'
import { networkpolicies } from '../resources.gen.ts'
import type {
  IPBlock,
  NetworkPolicy,
  NetworkPolicyPeer,
  NetworkPolicyPort,
} from '../types/networking.gen.ts'

const policyTypes = ['Ingress', 'Egress']

export const networkPolicyKind: Kind<NetworkPolicy> = {
  resource: networkpolicies,
  generation: true,
  defaults: defaultPolicy,
  validate: validatePolicy,
  columns: columnsOf('Name | Pod-Selector | Age'),
  row: (policy, nowMs) => ({
    cells: [policy.metadata.name, selectorCell(policy.spec?.podSelector), ageOf(policy, nowMs)],
  }),
}

function defaultPolicy({ spec }: Draft<NetworkPolicy>): void {
  if (!spec) return
  for (const { ports } of [...(spec.ingress ?? []), ...(spec.egress ?? [])]) {
    for (const port of ports ?? []) port.protocol ??= 'TCP'
  }
  if ((spec.policyTypes ?? []).length === 0) {
    spec.policyTypes = (spec.egress ?? []).length > 0 ? ['Ingress', 'Egress'] : ['Ingress']
  }
}

function validatePolicy({ spec = {} }: NetworkPolicy): Errors {
  const types = spec.policyTypes ?? []
  return [
    ...validateLabelSelector(spec.podSelector, 'spec.podSelector'),
    ...forEach(spec.ingress, 'spec.ingress', ({ ports, from }, at) => [
      ...forEach(ports, `${at}.ports`, validatePort),
      ...forEach(from, `${at}.from`, validatePeer),
    ]),
    ...forEach(spec.egress, 'spec.egress', ({ ports, to }, at) => [
      ...forEach(ports, `${at}.ports`, validatePort),
      ...forEach(to, `${at}.to`, validatePeer),
    ]),
    ...(types.length > policyTypes.length
      ? [invalid('spec.policyTypes', types, 'may not specify more than two policyTypes')]
      : forEach(types, 'spec.policyTypes', (type, at) =>
          policyTypes.includes(type) ? none : [notSupported(at, type, policyTypes)],
        )),
  ]
}

function validatePort({ protocol, port, endPort }: NetworkPolicyPort, field: string): Errors {
  return [
    ...oneOf(protocol, `${field}.protocol`, protocols),
    ...(port === undefined ? none : portNumberOrName(port, `${field}.port`)),
    ...validateEndPort(port, endPort, `${field}.endPort`),
  ]
}

function validateEndPort(
  port: number | string | undefined,
  endPort: number | undefined,
  field: string,
): Errors {
  if (endPort === undefined) return none
  if (port === undefined) {
    return [invalid(field, endPort, 'may not be specified when `port` is not specified')]
  }
  if (typeof port === 'string') {
    return [invalid(field, endPort, 'may not be specified when `port` is non-numeric')]
  }
  return [
    // Upstream shows the port here, not the endPort.
    ...(endPort < port ? [invalid(field, port, 'must be greater than or equal to `port`')] : none),
    ...portNumberOrName(endPort, field),
  ]
}

function validatePeer(peer: NetworkPolicyPeer, field: string): Errors {
  const { podSelector, namespaceSelector, ipBlock } = peer
  const others = (podSelector ? 1 : 0) + (namespaceSelector ? 1 : 0)
  if (others === 0 && !ipBlock) return [required(field, 'must specify a peer')]
  return [
    ...validateLabelSelector(podSelector, `${field}.podSelector`),
    ...validateLabelSelector(namespaceSelector, `${field}.namespaceSelector`),
    ...(ipBlock ? validateBlock(ipBlock, `${field}.ipBlock`) : none),
    ...(ipBlock && others > 0
      ? [forbidden(field, 'may not specify both ipBlock and another peer')]
      : none),
  ]
}

function validateBlock({ cidr, except }: IPBlock, field: string): Errors {
  if (!cidr) return [required(`${field}.cidr`)]
  const broken = cidrBlock(cidr, `${field}.cidr`)
  const outer = parseCidr(cidr)
  if (broken.length > 0 || !outer) return broken
  return forEach(except, `${field}.except`, (block, at) => {
    const inner = parseCidr(block)
    const wrong = cidrBlock(block, at)
    if (wrong.length > 0 || !inner) return wrong
    const strictlyInside = cidrContains(outer, inner.address) && inner.prefix > outer.prefix
    return strictlyInside ? none : [invalid(at, block, 'must be a strict subset of `cidr`')]
  })
}
