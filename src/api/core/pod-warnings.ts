// What is allowed in a Pod or a template but most likely not meant: answered as Warning headers.
import type { Container, Pod, PodSpec } from '../types/core.gen.ts'

export function podWarnings(pod: Pod, old?: Pod): readonly string[] {
  // Warned of once, on create: an update of a Pod changes none of this.
  return old ? [] : podSpecWarnings(pod.spec, 'spec')
}

export function podSpecWarnings(spec: PodSpec, field: string): readonly string[] {
  return [
    ...nodeSelectorWarnings(spec, field),
    ...spreadWarnings(spec, field),
    ...aliasWarnings(spec, field),
    ...pullSecretWarnings(spec, field),
    ...(['initContainers', 'containers'] as const).flatMap((list) =>
      (spec[list] ?? []).flatMap((container, index) =>
        containerWarnings(container, `${field}.${list}[${index}]`),
      ),
    ),
    ...portWarnings(spec, field),
    ...(spec.terminationGracePeriodSeconds !== undefined && spec.terminationGracePeriodSeconds < 0
      ? [
          `${field}.terminationGracePeriodSeconds: must be >= 0; negative values are invalid and will be treated as 1`,
        ]
      : []),
  ]
}

const deprecatedLabels: Readonly<Record<string, string>> = {
  'beta.kubernetes.io/arch': 'kubernetes.io/arch',
  'beta.kubernetes.io/os': 'kubernetes.io/os',
  'failure-domain.beta.kubernetes.io/region': 'topology.kubernetes.io/region',
  'failure-domain.beta.kubernetes.io/zone': 'topology.kubernetes.io/zone',
  'beta.kubernetes.io/instance-type': 'node.kubernetes.io/instance-type',
}

const nodeSelectorWarnings = ({ nodeSelector }: PodSpec, field: string): readonly string[] =>
  Object.keys(nodeSelector ?? {}).flatMap((key) => {
    const instead = deprecatedLabels[key]
    const since = key.startsWith('beta') && !key.includes('instance') ? 'v1.14' : 'v1.17'
    return instead === undefined
      ? []
      : [`${field}.nodeSelector[${key}]: deprecated since ${since}; use "${instead}" instead`]
  })

const spreadWarnings = ({ topologySpreadConstraints }: PodSpec, field: string): readonly string[] =>
  (topologySpreadConstraints ?? []).flatMap(({ labelSelector }, index) =>
    labelSelector
      ? []
      : [
          `${field}.topologySpreadConstraints[${index}].labelSelector: a null labelSelector results in matching no pod`,
        ],
  )

function aliasWarnings({ hostAliases }: PodSpec, field: string): readonly string[] {
  const seen = new Set<string>()
  return (hostAliases ?? []).flatMap(({ ip }, index) => {
    const repeated = seen.has(ip)
    seen.add(ip)
    return repeated ? [`${field}.hostAliases[${index}].ip: duplicate ip "${ip}"`] : []
  })
}

function pullSecretWarnings({ imagePullSecrets }: PodSpec, field: string): readonly string[] {
  const seen = new Set<string>()
  return (imagePullSecrets ?? []).flatMap(({ name = '' }, index) => {
    const repeated = seen.has(name)
    seen.add(name)
    const at = `${field}.imagePullSecrets[${index}].name`
    if (name === '') return [`${at}: invalid empty name ""`]
    return repeated ? [`${at}: duplicate name "${name}"`] : []
  })
}

function containerWarnings(container: Container, field: string): readonly string[] {
  const seen = new Set<string>()
  const repeated = (container.env ?? []).flatMap(({ name, value, valueFrom }, index) => {
    const hides = seen.has(name) && !(value ?? '').includes(`$(${name})`) && !valueFrom
    seen.add(name)
    return hides
      ? [
          `${field}.env[${index}]: hides previous definition of "${name}", which may be dropped when using apply`,
        ]
      : []
  })
  return [...repeated, ...fractionWarnings(container, field)]
}

/** Nobody means a thousandth of a byte. */
function fractionWarnings({ resources }: Container, field: string): readonly string[] {
  return (['limits', 'requests'] as const).flatMap((list) =>
    Object.entries(resources?.[list] ?? {}).flatMap(([name, quantity]) =>
      name === 'memory' && /^-?\d+m$/.test(String(quantity)) && !/000m$/.test(String(quantity))
        ? [
            `${field}.resources.${list}[${name}]: fractional byte value "${quantity}" is invalid, must be an integer`,
          ]
        : [],
    ),
  )
}

/** Port and protocol twice: the second is dropped by server-side apply. */
function portWarnings({ containers, initContainers }: PodSpec, field: string): readonly string[] {
  const lists = [
    ['containers', containers ?? []],
    ['initContainers', initContainers ?? []],
  ] as const
  const seen = new Map<string, string>()
  return lists.flatMap(([list, items]) =>
    items.flatMap(({ ports, name }, at) =>
      (ports ?? []).flatMap(({ containerPort, protocol }, index) => {
        const key = `${name} ${containerPort}/${protocol}`
        const path = `${field}.${list}[${at}].ports[${index}]`
        const first = seen.get(key)
        if (first === undefined) {
          seen.set(key, path)
          return []
        }
        return [`${path}: duplicate port definition with ${first}`]
      }),
    ),
  )
}
