// What a valid Service is: upstream's ValidateService and ValidateServiceUpdate, error for error.
import { familyOf } from '../../lib/ip.ts'
import {
  duplicate,
  type FieldError,
  forbidden,
  invalid,
  required,
} from '../machinery/field-error.ts'
import { validateLabels } from '../machinery/labels.ts'
import {
  dns1123LabelProblems,
  dns1123SubdomainProblems,
  portNameProblems,
  qualifiedNameProblems,
} from '../machinery/names.ts'
import {
  cidrBlock,
  type Errors,
  forEach,
  invalids,
  ipAddress,
  none,
  nonSpecialIp,
  oneOf,
  portNumber,
} from '../machinery/validation.ts'
import type { Service, ServicePort } from '../types/core.gen.ts'
import { validateAddressChange, validateFamilyChange } from './service-changes.ts'
import {
  isExternallyAccessible,
  isHeadless,
  needsClusterIP,
  needsHealthCheckNodePort,
} from './service-defaults.ts'

type ServiceView = Pick<Service, 'spec'>

const maxAffinitySeconds = 86400
const kubeletPort = 10250
const onlyLoadBalancer = "may only be used when `type` is 'LoadBalancer'"
const sourceRangesAnnotation = 'service.beta.kubernetes.io/load-balancer-source-ranges'

export const protocols = ['SCTP', 'TCP', 'UDP']
const families = ['IPv4', 'IPv6']
const policies = ['PreferDualStack', 'RequireDualStack', 'SingleStack']
const types = ['ClusterIP', 'ExternalName', 'LoadBalancer', 'NodePort']
const distributions = ['PreferClose', 'PreferSameZone', 'PreferSameNode']

export function validateService(service: Service): Errors {
  const { spec } = service
  const portless = isHeadless(service) || spec.type === 'ExternalName'
  return [
    ...((spec.ports ?? []).length === 0 && !portless ? [required('spec.ports')] : none),
    ...validateForType(service),
    ...validatePorts(spec.ports ?? []),
    ...validateLabels(spec.selector, 'spec.selector'),
    ...validateAffinity(service),
    ...validateClusterIPFields(service),
    ...forEach(spec.externalIPs, 'spec.externalIPs', externalIp),
    ...(spec.type ? oneOf(spec.type, 'spec.type', types) : [required('spec.type')]),
    ...validateNodePorts(service),
    ...validatePairs(spec.ports ?? []),
    ...validateSourceRanges(service),
    ...validateLoadBalancer(service),
    ...validateTraffic(service),
  ]
}

export function validateServiceUpdate(service: Service, old: Service): Errors {
  const bothLoadBalancers = isLoadBalancer(service) && isLoadBalancer(old)
  const lbClass = service.spec.loadBalancerClass
  return [
    ...validateAddressChange(service, old),
    ...validateFamilyChange(service, old),
    ...(bothLoadBalancers && lbClass !== old.spec.loadBalancerClass
      ? [invalid('spec.loadBalancerClass', lbClass, 'may not change once set')]
      : none),
    ...validateService(service),
  ]
}

const isLoadBalancer = ({ spec }: ServiceView): boolean => spec.type === 'LoadBalancer'

const externalIp = (address: string, field: string): Errors => {
  const errors = ipAddress(address, field)
  return errors.length > 0 ? errors : nonSpecialIp(address, field)
}

function validateForType(service: Service): Errors {
  const { spec } = service
  if (spec.type === 'ExternalName') return validateExternalName(service)
  if (spec.type !== 'LoadBalancer' && spec.type !== 'NodePort') return none
  const headless = isHeadless(service)
    ? [
        invalid(
          'spec.clusterIPs[0]',
          spec.clusterIPs?.[0] ?? 'None',
          `may not be set to 'None' for ${spec.type} services`,
        ),
      ]
    : none
  if (spec.type === 'NodePort') return headless
  const exposesKubelet = `may not expose port ${kubeletPort} externally since it is used by kubelet`
  const ports = forEach(spec.ports, 'spec.ports', ({ port }, field) =>
    port === kubeletPort ? [invalid(field, port, exposesKubelet)] : none,
  )
  return [...ports, ...headless]
}

function validateExternalName({ spec }: Service): Errors {
  const refused = 'may not be set for ExternalName services'
  const name = (spec.externalName ?? '').replace(/\.$/, '')
  return [
    ...((spec.clusterIPs ?? []).length > 0 ? [forbidden('spec.clusterIPs', refused)] : none),
    ...((spec.ipFamilies ?? []).length > 0 ? [forbidden('spec.ipFamilies', refused)] : none),
    ...(spec.ipFamilyPolicy ? [forbidden('spec.ipFamilyPolicy', refused)] : none),
    ...(name === ''
      ? [required('spec.externalName')]
      : invalids('spec.externalName', name, dns1123SubdomainProblems(name))),
  ]
}

function validatePorts(ports: readonly ServicePort[]): Errors {
  const names = new Set<string>()
  return forEach(ports, 'spec.ports', (port, field) => [
    ...validatePortName(port, { field, names, named: ports.length > 1 }),
    ...portNumber(port.port, `${field}.port`),
    ...(port.protocol
      ? oneOf(port.protocol, `${field}.protocol`, protocols)
      : [required(`${field}.protocol`)]),
    ...portNumberOrName(port.targetPort ?? 0, `${field}.targetPort`),
    ...appProtocol(port.appProtocol, `${field}.appProtocol`),
  ])
}

function validatePortName(
  { name }: ServicePort,
  at: { readonly field: string; readonly names: Set<string>; readonly named: boolean },
): Errors {
  const field = `${at.field}.name`
  if (!name) return at.named ? [required(field)] : none
  const repeated = at.names.has(name) ? [duplicate(field, name)] : none
  at.names.add(name)
  return [...invalids(field, name, dns1123LabelProblems(name)), ...repeated]
}

/** A target port, in Services, probes and hooks alike. */
export const portNumberOrName = (port: number | string, field: string): Errors =>
  typeof port === 'number' ? portNumber(port, field) : invalids(field, port, portNameProblems(port))

export const appProtocol = (protocol: string | undefined, field: string): Errors =>
  protocol === undefined ? none : invalids(field, protocol, qualifiedNameProblems(protocol))

function validateAffinity({ spec }: Service): Errors {
  const field = 'spec.sessionAffinityConfig'
  if (!spec.sessionAffinity) return [required('spec.sessionAffinity')]
  const value = oneOf(spec.sessionAffinity, 'spec.sessionAffinity', ['ClientIP', 'None'])
  if (spec.sessionAffinity === 'ClientIP') {
    const seconds = spec.sessionAffinityConfig?.clientIP?.timeoutSeconds
    if (seconds === undefined) {
      return [...value, required(field, 'when session affinity type is ClientIP')]
    }
    const bounds = `must be greater than 0 and less than ${maxAffinitySeconds}`
    return seconds <= 0 || seconds > maxAffinitySeconds
      ? [...value, invalid(`${field}.clientIP.timeoutSeconds`, seconds, bounds)]
      : value
  }
  return spec.sessionAffinity === 'None' && spec.sessionAffinityConfig
    ? [...value, forbidden(field, 'must not be set when session affinity is None')]
    : value
}

/** clusterIP, clusterIPs, ipFamilies and ipFamilyPolicy against each other. */
export function validateClusterIPFields(service: ServiceView): Errors {
  const { spec } = service
  if (spec.type === 'ExternalName') return none
  const seen = new Set<string>()
  const familyErrors = forEach(spec.ipFamilies, 'spec.ipFamilies', (family, field) => {
    const repeated = seen.has(family) ? [duplicate(field, family)] : none
    seen.add(family)
    return [...oneOf(family, field, families), ...repeated]
  })
  const addressErrors = validateAddresses(service)
  return [
    ...validatePrimary(service),
    ...familyErrors,
    ...oneOf(spec.ipFamilyPolicy, 'spec.ipFamilyPolicy', policies),
    ...addressErrors.errors,
    // Broken addresses have no family worth speaking of.
    ...(addressErrors.broken ? none : validateDualStack(service, familyErrors.length === 0)),
  ]
}

function validatePrimary({ spec }: ServiceView): Errors {
  const addresses = spec.clusterIPs ?? []
  const field = 'spec.clusterIPs'
  if (addresses.length === 0) return spec.clusterIP ? [required(field)] : none
  if (!spec.clusterIP) {
    return [invalid(field, addresses, 'must be empty when `clusterIP` is not specified')]
  }
  return addresses[0] === spec.clusterIP
    ? none
    : [invalid(field, addresses, 'first value must match `clusterIP`')]
}

function validateAddresses({ spec }: ServiceView): { errors: Errors; broken: boolean } {
  const addresses = spec.clusterIPs ?? []
  const field = 'spec.clusterIPs'
  const broken = forEach(addresses, field, (address, at, index) => {
    if (index > 0 || address !== 'None') return ipAddress(address, at)
    return addresses.length === 1
      ? none
      : [invalid(field, addresses, "'None' must be the first and only value")]
  })
  const surplus =
    addresses.length > 2 ? [invalid(field, addresses, 'may only hold up to 2 values')] : none
  return { errors: [...broken, ...surplus], broken: broken.length > 0 }
}

function validateDualStack(service: ServiceView, familiesValid: boolean): Errors {
  const { spec } = service
  const addresses = spec.clusterIPs ?? []
  const oneFamily = addresses.length > 1 && new Set(addresses.map(familyOf)).size < 2
  const errors: FieldError[] = oneFamily
    ? [invalid('spec.clusterIPs', addresses, 'may specify no more than one IP for each IP family')]
    : []
  if (isHeadless(service) || !familiesValid) return errors
  for (const [index, family] of (spec.ipFamilies ?? []).entries()) {
    const address = addresses[index]
    if (address === undefined || familyOf(address) === family) continue
    const message = `expected an ${family} value as indicated by \`ipFamilies[${index}]\``
    errors.push(invalid(`spec.clusterIPs[${index}]`, address, message))
  }
  return errors
}

function validateNodePorts({ spec }: Service): Errors {
  if (spec.type !== 'ClusterIP') return none
  return forEach(spec.ports, 'spec.ports', (port, field) =>
    port.nodePort
      ? [forbidden(`${field}.nodePort`, "may not be used when `type` is 'ClusterIP'")]
      : none,
  )
}

function validatePairs(ports: readonly ServicePort[]): Errors {
  const nodePorts = new Set<string>()
  const pairs = new Set<string>()
  const repeated = (seen: Set<string>, key: string): boolean => {
    const known = seen.has(key)
    seen.add(key)
    return known
  }
  return [
    ...forEach(ports, 'spec.ports', ({ protocol = '', nodePort = 0 }, field) =>
      nodePort !== 0 && repeated(nodePorts, `${protocol} ${nodePort}`)
        ? [duplicate(`${field}.nodePort`, nodePort)]
        : none,
    ),
    ...forEach(ports, 'spec.ports', ({ protocol = '', port }, field) =>
      repeated(pairs, `${protocol} ${port}`) ? [duplicate(field, goPort(protocol, port))] : none,
    ),
  ]
}

/** The key upstream compares by, as it shows it. */
const goPort = (protocol: string, port: number) => ({
  Name: '',
  Protocol: protocol,
  AppProtocol: null,
  Port: port,
  TargetPort: 0,
  NodePort: 0,
})

function validateSourceRanges(service: Service): Errors {
  const ranges = service.spec.loadBalancerSourceRanges ?? []
  // Upstream spells the field this way in its errors.
  const field = 'spec.LoadBalancerSourceRanges'
  if (ranges.length > 0) {
    return [
      ...(isLoadBalancer(service) ? none : [forbidden(field, onlyLoadBalancer)]),
      ...forEach(ranges, field, (range, at) => cidrBlock(range.trim(), at)),
    ]
  }
  const annotation = service.metadata.annotations?.[sourceRangesAnnotation]
  if (annotation === undefined) return none
  const at = `metadata.annotations[${sourceRangesAnnotation}]`
  if (!isLoadBalancer(service)) return [forbidden(at, onlyLoadBalancer)]
  const listed = annotation.trim() === '' ? [] : annotation.trim().split(',')
  const wrong = 'must be a list of IP ranges. For example, 10.240.0.0/24,10.250.0.0/24 '
  return listed.every((range) => cidrBlock(range.trim(), at).length === 0)
    ? none
    : [invalid(at, annotation, wrong)]
}

function validateLoadBalancer(service: Service): Errors {
  const { spec } = service
  const allocate = 'spec.allocateLoadBalancerNodePorts'
  if (isLoadBalancer(service)) {
    const missing = "field is required when `type` is 'LoadBalancer'"
    const lbClass = spec.loadBalancerClass
    return [
      ...(spec.allocateLoadBalancerNodePorts === undefined ? [required(allocate, missing)] : none),
      ...(lbClass === undefined
        ? none
        : invalids('spec.loadBalancerClass', lbClass, qualifiedNameProblems(lbClass))),
    ]
  }
  return [
    ...(spec.allocateLoadBalancerNodePorts === undefined
      ? none
      : [forbidden(allocate, onlyLoadBalancer)]),
    ...(spec.loadBalancerClass === undefined
      ? none
      : [forbidden('spec.loadBalancerClass', onlyLoadBalancer)]),
  ]
}

function validateTraffic(service: Service): Errors {
  const { spec } = service
  return [
    ...validateExternalTraffic(service),
    ...validateHealthCheck(service),
    ...(spec.internalTrafficPolicy === undefined && needsClusterIP(service)
      ? [required('spec.internalTrafficPolicy')]
      : oneOf(spec.internalTrafficPolicy, 'spec.internalTrafficPolicy', ['Cluster', 'Local'])),
    ...oneOf(spec.trafficDistribution, 'spec.trafficDistribution', distributions),
  ]
}

function validateExternalTraffic(service: Service): Errors {
  const policy = service.spec.externalTrafficPolicy
  const field = 'spec.externalTrafficPolicy'
  if (isExternallyAccessible(service)) {
    return policy ? oneOf(policy, field, ['Cluster', 'Local']) : [required(field)]
  }
  return policy
    ? [invalid(field, policy, 'may only be set for externally-accessible services')]
    : none
}

function validateHealthCheck(service: Service): Errors {
  const port = service.spec.healthCheckNodePort ?? 0
  const field = 'spec.healthCheckNodePort'
  if (needsHealthCheckNodePort(service)) {
    return port === 0 ? [required(field)] : portNumber(port, field)
  }
  const only =
    "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'"
  return port === 0 ? none : [invalid(field, port, only)]
}
