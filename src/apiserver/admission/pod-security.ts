// The Pod Security Standards: a Namespace says by labels which level its Pods must keep (enforce), and
// of which level people are warned or the audit log told. Without labels everything goes.
import { invalid } from '../../api/machinery/field-error.ts'
import { invalidError } from '../../api/machinery/status.ts'
import { namespaces, pods } from '../../api/resources.gen.ts'
import type { Namespace, Pod, PodSpec } from '../../api/types/core.gen.ts'
import type { ObjectMeta } from '../../api/types/meta.gen.ts'
import { semanticEqual } from '../../lib/equal.ts'
import { type Level, type PodLike, violationsOf } from './pod-security-checks.ts'
import { oldOf, qualifiedOf, refuse } from './refuse.ts'
import type { AdmissionPlugin, AdmissionRequest, Outcome } from './request.ts'

const prefix = 'pod-security.kubernetes.io/'
const levels: readonly string[] = ['privileged', 'baseline', 'restricted']

/** Kinds whose Pod template is looked at for warnings, so that people learn before the Pods fail. */
const templated: ReadonlySet<string> = new Set([
  'podtemplates',
  'replicationcontrollers',
  'replicasets.apps',
  'deployments.apps',
  'statefulsets.apps',
  'daemonsets.apps',
  'jobs.batch',
  'cronjobs.batch',
])

export const podSecurity: AdmissionPlugin = {
  name: 'PodSecurity',
  operations: ['CREATE', 'UPDATE'],
  resources: ['pods', 'pods/ephemeralcontainers', 'namespaces', ...templated],
  validate(request, { reader }) {
    if (qualifiedOf(request) === 'namespaces') return checkLabels(request)
    const found = reader(namespaces).get(request.namespace)
    if (found === undefined || !hasPolicy(found)) return undefined
    if (qualifiedOf(request) !== 'pods') {
      const template = templateOf(request.object)
      return template && report(request, found, template)
    }
    const pod = request.object as unknown as Pod
    if (request.operation === 'UPDATE' && !matters(oldOf(request, pods), pod)) return undefined
    const { level, version } = policyOf(found, 'enforce')
    const violations = violationsOf(level, pod)
    if (violations.length > 0) {
      return refuse(request, `violates PodSecurity "${level}:${version}": ${violations.join(', ')}`)
    }
    return report(request, found, pod)
  },
}

const hasPolicy = ({ metadata }: Namespace): boolean =>
  Object.keys(metadata.labels ?? {}).some((label) => label.startsWith(prefix))

function policyOf(
  { metadata }: Namespace,
  mode: 'enforce' | 'audit' | 'warn',
): { level: Level; version: string } {
  const level = metadata.labels?.[`${prefix}${mode}`] ?? 'privileged'
  const version = metadata.labels?.[`${prefix}${mode}-version`] ?? 'latest'
  // A level that cannot be read is held to be the strictest, as upstream does when it enforces.
  return { level: (levels.includes(level) ? level : 'restricted') as Level, version }
}

function report(request: AdmissionRequest, found: Namespace, pod: PodLike): Outcome {
  const audit = policyOf(found, 'audit')
  const audited = violationsOf(audit.level, pod)
  if (audited.length > 0) {
    const text = `would violate PodSecurity "${audit.level}:${audit.version}": ${audited.join(', ')}`
    request.auditAnnotations[`${prefix}audit-violations`] = text
  }
  const warn = policyOf(found, 'warn')
  const warned = violationsOf(warn.level, pod)
  if (warned.length > 0) {
    request.warnings.push(
      `would violate PodSecurity "${warn.level}:${warn.version}": ${warned.join(', ')}`,
    )
  }
  return undefined
}

function templateOf(object: unknown): PodLike | undefined {
  const { spec, template } = object as {
    spec?: { template?: PodLike; jobTemplate?: { spec?: { template?: PodLike } } }
    template?: PodLike
  }
  return spec?.jobTemplate?.spec?.template ?? spec?.template ?? template
}

/** Updates of a Pod that change nothing a check looks at are let through, whatever the level is now. */
function matters(old: Pod, next: Pod): boolean {
  const relevant = ({ spec, metadata }: Pod) => {
    const {
      activeDeadlineSeconds: _,
      tolerations: __,
      schedulingGates: ___,
      ...rest
    } = (spec ?? {}) as PodSpec
    return { rest, annotations: appArmorOf(metadata) }
  }
  return !semanticEqual(relevant(old), relevant(next))
}

const appArmorOf = ({ annotations }: ObjectMeta): Record<string, string> =>
  Object.fromEntries(
    Object.entries(annotations ?? {}).filter(([name]) => name.startsWith('container.apparmor.')),
  )

/** Labels of the Namespace itself must be readable. */
function checkLabels(request: AdmissionRequest): Outcome {
  const { labels } = request.object?.metadata ?? {}
  for (const mode of ['enforce', 'audit', 'warn']) {
    const level = labels?.[`${prefix}${mode}`]
    const version = labels?.[`${prefix}${mode}-version`]
    if (level !== undefined && !levels.includes(level)) {
      const cause = `must be one of ${levels.join(', ')}`
      return invalidLabel(request, `${prefix}${mode}`, { value: level, cause })
    }
    if (version !== undefined && version !== 'latest' && !/^v1\.(0|[1-9]\d*)$/.test(version)) {
      const cause = 'must be "latest" or "v1.x"'
      return invalidLabel(request, `${prefix}${mode}-version`, { value: version, cause })
    }
  }
  return undefined
}

function invalidLabel(
  request: AdmissionRequest,
  label: string,
  { value, cause }: { readonly value: string; readonly cause: string },
): Outcome {
  const field = `metadata.labels[${label}]`
  const kind = { group: '', kind: 'Namespace' }
  return invalidError(kind, request.name, [invalid(field, value, cause)])
}
