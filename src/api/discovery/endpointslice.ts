// EndpointSlice: up to 1,000 endpoints of one Service and one address family.

import { familyOf } from '../../lib/ip.ts'
import { appProtocol, protocols } from '../core/service-validation.ts'
import { ageOf, columnsOf, firstOf } from '../machinery/columns.ts'
import type { Draft } from '../machinery/draft.ts'
import { duplicate, invalid, required, tooMany } from '../machinery/field-error.ts'
import type { Kind } from '../machinery/kind.ts'
import { validateLabelName } from '../machinery/labels.ts'
import { dns1123LabelProblems, dns1123SubdomainProblems } from '../machinery/names.ts'
import {
  type Errors,
  forEach,
  immutable,
  invalids,
  ipAddress,
  ipWarnings,
  none,
  nonSpecialIp,
  oneOf,
  sameValue,
} from '../machinery/validation.ts'
import { endpointslices } from '../resources.gen.ts'
import type { Endpoint, EndpointPort, EndpointSlice } from '../types/discovery.gen.ts'

const maxAddresses = 100
const maxPorts = 20_000
const maxEndpoints = 1000
const maxHints = 8
const addressTypes = ['FQDN', 'IPv4', 'IPv6']

export const endpointSliceKind: Kind<EndpointSlice> = {
  resource: endpointslices,
  generation: true,
  isChange: (slice, old) =>
    !sameValue(slice.metadata.labels, old.metadata.labels) ||
    !sameValue({ ...slice, metadata: null }, { ...old, metadata: null }),
  defaults: defaultSlice,
  prepareForCreate: dropTopology,
  prepareForUpdate: dropTopology,
  validate: validateSlice,
  validateUpdate: (slice, old) => [
    ...validateSlice(slice),
    ...immutable([slice.addressType, old.addressType], 'addressType'),
  ],
  warnings: sliceWarnings,
  columns: columnsOf('Name | AddressType | Ports | Endpoints | Age'),
  row: (slice, nowMs) => ({
    cells: [
      slice.metadata.name,
      slice.addressType,
      portsCell(slice.ports ?? []),
      endpointsCell(slice.endpoints ?? []),
      ageOf(slice, nowMs),
    ],
  }),
}

function defaultSlice(slice: Draft<EndpointSlice>): void {
  for (const port of slice.ports ?? []) {
    port.name ??= ''
    port.protocol ||= 'TCP'
  }
}

/** v1beta1's topology map is accepted and forgotten. */
function dropTopology(slice: Draft<EndpointSlice>): void {
  for (const endpoint of slice.endpoints ?? []) delete endpoint.deprecatedTopology
}

function validateSlice(slice: EndpointSlice): Errors {
  const { addressType, endpoints, ports } = slice
  return [
    ...(addressType ? oneOf(addressType, 'addressType', addressTypes) : [required('addressType')]),
    ...validateEndpoints(endpoints ?? [], addressType),
    ...validatePorts(ports ?? []),
  ]
}

function validateEndpoints(endpoints: readonly Endpoint[], addressType: string): Errors {
  if (endpoints.length > maxEndpoints) return [tooMany('endpoints', endpoints.length, maxEndpoints)]
  return forEach(endpoints, 'endpoints', (endpoint, at) => [
    ...validateAddresses(endpoint, `${at}.addresses`, addressType),
    ...(endpoint.nodeName === undefined
      ? none
      : invalids(`${at}.nodeName`, endpoint.nodeName, dns1123SubdomainProblems(endpoint.nodeName))),
    ...(endpoint.hostname === undefined
      ? none
      : invalids(`${at}.hostname`, endpoint.hostname, dns1123LabelProblems(endpoint.hostname))),
    ...validateHints(endpoint, `${at}.hints`),
  ])
}

function validateAddresses({ addresses }: Endpoint, field: string, addressType: string): Errors {
  const list = addresses ?? []
  if (list.length === 0) return [required(field, 'must contain at least 1 address')]
  if (list.length > maxAddresses) return [tooMany(field, list.length, maxAddresses)]
  return forEach(list, field, (address, at) => {
    switch (addressType) {
      case 'IPv4':
      case 'IPv6': {
        const errors = ipAddress(address, at)
        if (errors.length > 0) return errors
        // The family is said of the list, the rest of the item: so upstream.
        return familyOf(address) === addressType
          ? nonSpecialIp(address, at)
          : [
              invalid(field, address, `must be an ${addressType} address`),
              ...nonSpecialIp(address, at),
            ]
      }
      case 'FQDN':
        return invalids(at, address, dns1123SubdomainProblems(address))
      default:
        return none
    }
  })
}

function validateHints({ hints }: Endpoint, field: string): Errors {
  const list = (items: readonly { readonly name: string }[] | undefined, name: string) => {
    const path = `${field}.${name}`
    if ((items ?? []).length > maxHints) return [tooMany(path, items!.length, maxHints)]
    const seen = new Set<string>()
    return forEach(items, path, (item, at) => {
      const repeated = seen.has(item.name) ? [duplicate(`${at}.name`, item.name)] : none
      seen.add(item.name)
      return name === 'forZones'
        ? [...repeated, ...validateZone(item.name, `${at}.name`)]
        : [...repeated, ...invalids(`${at}.name`, item.name, dns1123SubdomainProblems(item.name))]
    })
  }
  return [...list(hints?.forZones, 'forZones'), ...list(hints?.forNodes, 'forNodes')]
}

/** A zone is the value of a node label. */
const validateZone = (zone: string, field: string): Errors => validateLabelName(zone, field)

function validatePorts(ports: readonly EndpointPort[]): Errors {
  if (ports.length > maxPorts) return [tooMany('ports', ports.length, maxPorts)]
  const names = new Set<string>()
  return forEach(ports, 'ports', (port, at) => {
    const name = port.name ?? ''
    const repeated = names.has(name) ? [duplicate(`${at}.name`, name)] : none
    names.add(name)
    return [
      ...(name === '' ? none : invalids(`${at}.name`, name, dns1123LabelProblems(name))),
      ...repeated,
      ...(port.protocol
        ? oneOf(port.protocol, `${at}.protocol`, protocols)
        : [required(`${at}.protocol`)]),
      ...appProtocol(port.appProtocol, `${at}.appProtocol`),
    ]
  })
}

function sliceWarnings(slice: EndpointSlice): readonly string[] {
  if (slice.addressType === 'FQDN') return ['spec.addressType: FQDN endpoints are deprecated']
  return (slice.endpoints ?? []).flatMap(({ addresses }, index) =>
    (addresses ?? []).flatMap((address, at) =>
      ipWarnings(address, `endpoints[${index}].addresses[${at}]`),
    ),
  )
}

const shown = 3

const portsCell = (ports: readonly EndpointPort[]): string =>
  ports.length === 0
    ? '<unset>'
    : firstOf(
        ports.map(({ port, name }) => String(port ?? (name || '*'))),
        shown,
      )

const endpointsCell = (endpoints: readonly Endpoint[]): string => {
  const addresses = endpoints.flatMap((endpoint) => endpoint.addresses ?? [])
  return addresses.length === 0 ? '<unset>' : firstOf(addresses, shown)
}
