// Ingress and IngressClass: HTTP routes to Services, for whatever controller takes them.
import { isIp } from '../../lib/ip.ts'
import { ageOf, columnsOf, firstOf, orNone } from '../machinery/columns.ts'
import { forbidden, invalid, notSupported, required } from '../machinery/field-error.ts'
import type { Kind } from '../machinery/kind.ts'
import {
  dns1035LabelProblems,
  dns1123LabelProblems,
  dns1123SubdomainProblems,
  pathSegmentProblems,
  portNameProblems,
  wildcardDns1123SubdomainProblems,
} from '../machinery/names.ts'
import {
  type Errors,
  forEach,
  immutable,
  invalids,
  none,
  oneOf,
  portNumber,
} from '../machinery/validation.ts'
import { ingressclasses, ingresses } from '../resources.gen.ts'
import type {
  HTTPIngressPath,
  Ingress,
  IngressBackend,
  IngressClass,
  IngressRule,
} from '../types/networking.gen.ts'

const classAnnotation = 'kubernetes.io/ingress.class'
const maxHosts = 3

export const ingressKind: Kind<Ingress> = {
  resource: ingresses,
  generation: true,
  validate: validateIngress,
  validateUpdate: (ingress) => validateIngress(ingress),
  warnings({ metadata }, old) {
    const set = (ingress: Ingress | undefined) =>
      ingress?.metadata.annotations?.[classAnnotation] !== undefined
    const isNew = metadata.annotations?.[classAnnotation] !== undefined && !set(old)
    const warning = `annotation "${classAnnotation}" is deprecated, please use 'spec.ingressClassName' instead`
    return isNew ? [warning] : []
  },
  subresources: { status: {} },
  columns: columnsOf('Name | Class | Hosts | Address | Ports | Age'),
  row: (ingress, nowMs) => ({
    cells: [
      ingress.metadata.name,
      orNone(ingress.spec?.ingressClassName ?? ingress.metadata.annotations?.[classAnnotation]),
      hostsCell(ingress),
      addressCell(ingress),
      (ingress.spec?.tls ?? []).length > 0 ? '80, 443' : '80',
      ageOf(ingress, nowMs),
    ],
  }),
}

function validateIngress({ spec = {}, metadata }: Ingress): Errors {
  const rules = spec.rules ?? []
  const empty = rules.length === 0 && !spec.defaultBackend
  const className = spec.ingressClassName
  return [
    ...(empty
      ? [invalid('spec', null, 'either `defaultBackend` or `rules` must be specified')]
      : none),
    ...(spec.defaultBackend ? validateBackend(spec.defaultBackend, 'spec.defaultBackend') : none),
    ...forEach(rules, 'spec.rules', validateRule),
    ...forEach(spec.tls, 'spec.tls', ({ hosts, secretName }, at) => [
      ...forEach(hosts, `${at}.hosts`, (host, path) => hostName(host, path)),
      ...(secretName
        ? invalids(`${at}.secretName`, secretName, dns1123SubdomainProblems(secretName))
        : none),
    ]),
    ...(className === undefined
      ? none
      : invalids('spec.ingressClassName', className, dns1123SubdomainProblems(className))),
    ...(className !== undefined && metadata.annotations?.[classAnnotation] !== undefined
      ? [
          invalid(
            `metadata.annotations[${classAnnotation}]`,
            metadata.annotations[classAnnotation],
            'can not be set when the class field is also set',
          ),
        ]
      : none),
  ]
}

const hostName = (host: string, field: string): Errors =>
  invalids(
    field,
    host,
    host.includes('*') ? wildcardDns1123SubdomainProblems(host) : dns1123SubdomainProblems(host),
  )

function validateRule({ host, http }: IngressRule, field: string): Errors {
  const at = `${field}.host`
  const named = !host
    ? none
    : isIp(host)
      ? [invalid(at, host, 'must be a DNS name, not an IP address')]
      : hostName(host, at)
  if (!http) return named
  const paths = `${field}.http.paths`
  return [
    ...named,
    ...((http.paths ?? []).length === 0 ? [required(paths)] : none),
    ...forEach(http.paths, paths, validatePath),
  ]
}

const pathTypes = ['Exact', 'ImplementationSpecific', 'Prefix']
const oddities = ['//', '/./', '/../', '%2f', '%2F']
const odderEnds = ['/..', '/.']

function validatePath({ path = '', pathType, backend }: HTTPIngressPath, field: string): Errors {
  const at = `${field}.path`
  const type = pathType
    ? oneOf(pathType, `${field}.pathType`, pathTypes)
    : [required(`${field}.pathType`, 'pathType must be specified')]
  if (type.length > 0)
    return pathType ? [...type, ...validateBackend(backend, `${field}.backend`)] : type
  const absolute = path.startsWith('/') || (pathType === 'ImplementationSpecific' && path === '')
  const strict = pathType !== 'ImplementationSpecific'
  return [
    ...(absolute ? none : [invalid(at, path, 'must be an absolute path')]),
    ...(strict
      ? [
          ...oddities
            .filter((part) => path.includes(part))
            .map((part) => invalid(at, path, `must not contain '${part}'`)),
          ...odderEnds
            .filter((part) => path.endsWith(part))
            .map((part) => invalid(at, path, `cannot end with '${part}'`)),
        ]
      : none),
    ...validateBackend(backend, `${field}.backend`),
  ]
}

function validateBackend({ service, resource }: IngressBackend, field: string): Errors {
  if (service && resource) {
    return [invalid(field, '', 'cannot set both resource and service backends')]
  }
  if (resource) {
    return [
      ...(resource.kind ? none : [required(`${field}.resource.kind`)]),
      ...(resource.name ? none : [required(`${field}.resource.name`)]),
    ]
  }
  if (!service) return [invalid(field, '', 'resource or service backend is required')]
  const at = `${field}.service`
  const { name, number } = service.port ?? {}
  const port = name
    ? number
      ? [invalid(field, '', 'cannot set both port name & port number')]
      : invalids(`${at}.port.name`, name, portNameProblems(name))
    : number
      ? portNumber(number, `${at}.port.number`)
      : [required(field, 'port name or number is required')]
  return [
    ...(service.name
      ? invalids(`${at}.name`, service.name, dns1035LabelProblems(service.name))
      : [required(`${at}.name`)]),
    ...port,
  ]
}

function hostsCell({ spec }: Ingress): string {
  const hosts = (spec?.rules ?? []).flatMap(({ host }) => (host ? [host] : []))
  return hosts.length === 0 ? '*' : firstOf(hosts, maxHosts)
}

const addressCell = ({ status }: Ingress): string =>
  (status?.loadBalancer?.ingress ?? []).map(({ ip, hostname }) => ip || hostname || '').join(',')

export const ingressClassKind: Kind<IngressClass> = {
  resource: ingressclasses,
  generation: true,
  defaults({ spec }) {
    if (spec?.parameters) spec.parameters.scope ??= 'Cluster'
  },
  validate: validateClass,
  validateUpdate: (item, old) => [
    ...validateClass(item),
    ...immutable([item.spec?.controller, old.spec?.controller], 'spec.controller'),
  ],
  columns: columnsOf('Name | Controller | Parameters | Age'),
  row: (item, nowMs) => ({
    cells: [
      item.metadata.name,
      item.spec?.controller ?? '',
      parametersCell(item),
      ageOf(item, nowMs),
    ],
  }),
}

const maxController = 250

function validateClass({ spec }: IngressClass): Errors {
  const controller = spec?.controller ?? ''
  const parameters = spec?.parameters
  const field = 'spec.parameters'
  return [
    ...validateController(controller, 'spec.controller'),
    ...(parameters
      ? [
          ...(parameters.kind
            ? invalids(`${field}.kind`, parameters.kind, pathSegmentProblems(parameters.kind))
            : [required(`${field}.kind`, 'kind is required')]),
          ...(parameters.name
            ? invalids(`${field}.name`, parameters.name, pathSegmentProblems(parameters.name))
            : [required(`${field}.name`, 'name is required')]),
          ...validateScope(parameters, field),
        ]
      : none),
  ]
}

function validateController(controller: string, field: string): Errors {
  if (controller.length > maxController) {
    return [
      {
        type: 'FieldValueTooLong',
        field,
        message: `Too long: may not be more than ${maxController} bytes`,
      },
    ]
  }
  const [domain, ...path] = controller.split('/')
  if (!domain || path.length === 0) {
    return [invalid(field, controller, 'must be a domain-prefixed path (such as "acme.io/foo")')]
  }
  return invalids(field, domain, dns1123SubdomainProblems(domain))
}

type Parameters = NonNullable<NonNullable<IngressClass['spec']>['parameters']>

function validateScope({ scope, namespace }: Parameters, field: string): Errors {
  if (scope === 'Namespace') {
    return namespace
      ? invalids(`${field}.namespace`, namespace, dns1123LabelProblems(namespace))
      : [required(`${field}.namespace`, "`parameters.scope` is set to 'Namespace'")]
  }
  if (scope !== 'Cluster')
    return [notSupported(`${field}.scope`, scope ?? '', ['Cluster', 'Namespace'])]
  return namespace === undefined
    ? none
    : [forbidden(`${field}.namespace`, "`parameters.scope` is set to 'Cluster'")]
}

function parametersCell({ spec }: IngressClass): string {
  const parameters = spec?.parameters
  if (!parameters) return '<none>'
  const { apiGroup, kind, name } = parameters
  return `${apiGroup ? `${kind}.${apiGroup}` : kind}/${name}`
}
