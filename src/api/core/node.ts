// Node: a machine that runs Pods.
import { ageOf, columnsOf, orNone } from '../machinery/columns.ts'
import type { Draft } from '../machinery/draft.ts'
import { duplicate, forbidden, invalid, notSupported, required } from '../machinery/field-error.ts'
import type { Kind } from '../machinery/kind.ts'
import { validateLabelName } from '../machinery/labels.ts'
import { labelValueProblems } from '../machinery/names.ts'
import {
  cidrBlock,
  type Errors,
  forEach,
  invalids,
  none,
  sameValue,
} from '../machinery/validation.ts'
import { nodes } from '../resources.gen.ts'
import type { Node, Taint } from '../types/core.gen.ts'

const effects = ['NoSchedule', 'PreferNoSchedule', 'NoExecute']
const roleLabel = 'node-role.kubernetes.io/'
const oldRoleLabel = 'kubernetes.io/role'

export const nodeKind: Kind<Node> = {
  resource: nodes,
  keepsStatusOnCreate: true,
  defaults: defaultNode,
  validate: validateNode,
  validateUpdate: (node, old) => [...validateNode(node), ...validateChange(node, old)],
  subresources: { status: { validateUpdate: validateChange } },
  columns: columnsOf(
    'Name | Status | Roles | Age | Version | Internal-IP? | External-IP? | OS-Image? | Kernel-Version? | Container-Runtime?',
  ),
  row: (node, nowMs) => {
    const info = node.status?.nodeInfo
    return {
      cells: [
        node.metadata.name,
        statusCell(node),
        orNone(rolesOf(node).join(',')),
        ageOf(node, nowMs),
        info?.kubeletVersion ?? '',
        addressCell(node, 'InternalIP'),
        addressCell(node, 'ExternalIP'),
        info?.osImage || '<unknown>',
        info?.kernelVersion ? kernelCell(info.kernelVersion, info.architecture) : '<unknown>',
        info?.containerRuntimeVersion || '<unknown>',
      ],
    }
  },
  fields: { 'spec.unschedulable': ({ spec }) => String(spec?.unschedulable ?? false) },
}

/** What is there can be given out, unless the kubelet reserves some. */
function defaultNode(node: Draft<Node>): void {
  const { status, spec } = node
  if (status?.capacity && !status.allocatable) status.allocatable = { ...status.capacity }
  if (!spec) return
  // podCIDR is the first of podCIDRs, whichever of them is given.
  if (spec.podCIDR && (spec.podCIDRs ?? []).length === 0) spec.podCIDRs = [spec.podCIDR]
  else if (!spec.podCIDR && spec.podCIDRs?.[0]) spec.podCIDR = spec.podCIDRs[0]
}

function validateNode({ spec }: Node): Errors {
  const seen = new Set<string>()
  return [
    ...forEach(spec?.taints, 'spec.taints', (taint, at) => {
      const key = `${taint.key}:${taint.effect}`
      const repeated = seen.has(key)
        ? [
            {
              ...duplicate(at, goTaint(taint)),
              message: `${duplicate(at, goTaint(taint)).message}: taints must be unique by key and effect pair`,
            },
          ]
        : none
      seen.add(key)
      return [...validateTaint(taint, at), ...repeated]
    }),
    ...forEach(spec?.podCIDRs, 'spec.podCIDRs', cidrBlock),
    ...validatePodCIDRs(spec?.podCIDRs ?? []),
  ]
}

const goTaint = ({ key, value = '', effect, timeAdded }: Taint) => ({
  Key: key,
  Value: value,
  Effect: effect,
  TimeAdded: timeAdded ?? null,
})

const validateTaint = ({ key, value = '', effect }: Taint, field: string): Errors => [
  ...validateLabelName(key, `${field}.key`),
  ...invalids(`${field}.value`, value, labelValueProblems(value)),
  ...(effect
    ? effects.includes(effect)
      ? none
      : [notSupported(`${field}.effect`, effect, effects)]
    : [required(`${field}.effect`)]),
]

function validatePodCIDRs(cidrs: readonly string[]): Errors {
  if (cidrs.length < 2) return none
  const families = new Set(cidrs.map((cidr) => cidr.includes(':')))
  const message = 'may specify no more than one CIDR for each IP family'
  return cidrs.length > 2 || families.size < 2 ? [invalid('spec.podCIDRs', cidrs, message)] : none
}

/** Once a node is known under these, others rely on them. */
function validateChange({ spec }: Node, { spec: old }: Node): Errors {
  const cidrsChanged = (old?.podCIDRs ?? []).length > 0 && !sameValue(spec?.podCIDRs, old?.podCIDRs)
  return [
    ...(cidrsChanged
      ? [forbidden('spec.podCIDRs', 'node updates may not change podCIDR except from "" to valid')]
      : none),
    ...(old?.providerID && spec?.providerID !== old.providerID
      ? [
          forbidden(
            'spec.providerID',
            'node updates may not change providerID except from "" to valid',
          ),
        ]
      : none),
  ]
}

function statusCell({ spec, status }: Node): string {
  const ready = (status?.conditions ?? []).find(({ type }) => type === 'Ready')
  const state = ready === undefined ? 'Unknown' : ready.status === 'True' ? 'Ready' : 'NotReady'
  return spec?.unschedulable ? `${state},SchedulingDisabled` : state
}

function rolesOf({ metadata }: Node): readonly string[] {
  const labels = Object.entries(metadata.labels ?? {})
  const roles = labels.flatMap(([key, value]) => {
    if (key.startsWith(roleLabel))
      return key.length > roleLabel.length ? [key.slice(roleLabel.length)] : []
    return key === oldRoleLabel && value !== '' ? [value] : []
  })
  return [...new Set(roles)].sort()
}

const addressCell = ({ status }: Node, type: string): string =>
  orNone((status?.addresses ?? []).find((address) => address.type === type)?.address)

const kernelCell = (version: string, architecture: string | undefined): string =>
  architecture ? `${version} (${architecture})` : version
