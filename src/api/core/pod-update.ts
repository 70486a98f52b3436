// Which changes of a Pod are allowed: by PUT and PATCH, through status, ephemeralcontainers, resize.
import type { Draft } from '../machinery/draft.ts'
import { draftOf } from '../machinery/draft.ts'
import { forbidden, invalid } from '../machinery/field-error.ts'
import { jsonDiff } from '../machinery/json-diff.ts'
import {
  type Errors,
  forEach,
  inRange,
  ipAddress,
  none,
  sameValue,
} from '../machinery/validation.ts'
import type { Container, Pod, PodSpec, Toleration } from '../types/core.gen.ts'
import { validateAllContainers, validateImage } from './container-validation.ts'
import { validatePodSpec } from './pod-validation.ts'

const updatable =
  '`spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)'

export function validatePodUpdate(pod: Pod, old: Pod): Errors {
  const recounted = validateCounts(pod.spec, old.spec)
  if (recounted.length > 0) return recounted
  return [
    ...validatePodSpec(pod.spec, 'spec'),
    ...validateImages(pod.spec.containers, 'spec.containers'),
    ...validateImages(pod.spec.initContainers, 'spec.initContainers'),
    ...validateDeadlineChange(pod.spec, old.spec),
    ...validateAddedTolerations(pod.spec.tolerations ?? [], old.spec.tolerations ?? []),
    ...validateRemovedGates(pod.spec, old.spec),
    ...validateRest(pod.spec, old.spec),
  ]
}

function validateCounts(spec: PodSpec, old: PodSpec): Errors {
  return (['containers', 'initContainers'] as const).flatMap((list) =>
    (spec[list] ?? []).length === (old[list] ?? []).length
      ? none
      : [forbidden(`spec.${list}`, 'pod updates may not add or remove containers')],
  )
}

const validateImages = (containers: readonly Container[] | undefined, field: string): Errors =>
  forEach(containers, field, ({ image }, at) =>
    image ? none : validateImage(image, `${at}.image`),
  )

/** Set once, then only shortened. */
function validateDeadlineChange(spec: PodSpec, old: PodSpec): Errors {
  const field = 'spec.activeDeadlineSeconds'
  const now = spec.activeDeadlineSeconds
  const before = old.activeDeadlineSeconds
  if (now === undefined) {
    return before === undefined
      ? none
      : [invalid(field, null, 'must not update from a positive integer to nil value')]
  }
  const range = inRange(now, field, [0, 2 ** 31 - 1])
  if (range.length > 0) return range
  return before !== undefined && before < now
    ? [invalid(field, now, 'must be less than or equal to previous value')]
    : none
}

/** Seconds may change; everything else of an existing toleration stays. */
function validateAddedTolerations(
  now: readonly Toleration[],
  before: readonly Toleration[],
): Errors {
  const field = 'spec.tolerations'
  const plain = (toleration: Toleration) => ({ ...toleration, tolerationSeconds: undefined })
  const kept = before.every((old) => now.some((item) => sameValue(plain(item), plain(old))))
  return kept
    ? none
    : [forbidden(field, 'existing toleration can not be modified except its tolerationSeconds')]
}

function validateRemovedGates(spec: PodSpec, old: PodSpec): Errors {
  const before = new Set((old.schedulingGates ?? []).map(({ name }) => name))
  const added = (spec.schedulingGates ?? [])
    .map(({ name }) => name)
    .filter((name) => !before.has(name))
  return added.length === 0
    ? none
    : [
        forbidden(
          'spec.schedulingGates',
          `only deletion is allowed, but found new scheduling gates '${added.join(',')}'`,
        ),
      ]
}

/** With what may change taken back, nothing may differ. */
function validateRest(spec: PodSpec, old: PodSpec): Errors {
  const munged = draftOf(spec)
  takeBackImages(munged.containers, old.containers)
  takeBackImages(munged.initContainers, old.initContainers)
  takeBack(munged, old, 'activeDeadlineSeconds')
  takeBack(munged, old, 'schedulingGates')
  takeBack(munged, old, 'tolerations')
  const wasNegative = (old.terminationGracePeriodSeconds ?? 0) < 0
  if (wasNegative && munged.terminationGracePeriodSeconds === 1) {
    takeBack(munged, old, 'terminationGracePeriodSeconds')
  }
  // A Pod that waits at a gate may still be steered.
  if ((old.schedulingGates ?? []).length > 0) takeBackSteering(munged, old)
  if (sameValue(munged, old)) return none
  const diff = jsonDiff(old, munged)
  return [forbidden('spec', `pod updates may not change fields other than ${updatable}\n${diff}`)]
}

function takeBackImages(
  containers: Draft<Container>[] | undefined,
  old: readonly Container[] | undefined,
): void {
  for (const [index, container] of (containers ?? []).entries()) {
    const image = old?.[index]?.image
    if (image !== undefined) container.image = image
  }
}

function takeBack(spec: Draft<PodSpec>, old: PodSpec, field: keyof PodSpec): void {
  if (old[field] === undefined) delete spec[field]
  else Object.assign(spec, { [field]: draftOf(old[field]) })
}

/** Node selectors may gain labels while a gate is closed, which only narrows the choice. */
function takeBackSteering(spec: Draft<PodSpec>, old: PodSpec): void {
  const narrowed = Object.entries(old.nodeSelector ?? {}).every(
    ([key, value]) => spec.nodeSelector?.[key] === value,
  )
  if (narrowed) takeBack(spec, old, 'nodeSelector')
  const before = old.affinity?.nodeAffinity
  if (before === undefined && spec.affinity?.nodeAffinity) {
    delete spec.affinity.nodeAffinity
    if (old.affinity === undefined && Object.keys(spec.affinity).length === 0) delete spec.affinity
  }
}

export function validatePodStatus(pod: Pod): Errors {
  const { podIP, podIPs = [], nominatedNodeName: _, ...rest } = pod.status ?? {}
  const addresses = podIPs.length > 0 ? podIPs.map(({ ip }) => ip ?? '') : podIP ? [podIP] : []
  const families = addresses.filter((address) => address.includes(':')).length
  const surplus =
    addresses.length > 1 && (families !== 1 || addresses.length > 2)
      ? [invalid('status.podIPs', podIPs, 'may specify no more than one IP for each IP family')]
      : none
  return [
    ...forEach(addresses, 'status.podIPs', ipAddress),
    ...surplus,
    ...validateHostIPs(rest.hostIP, rest.hostIPs),
  ]
}

function validateHostIPs(
  hostIP: string | undefined,
  hostIPs: readonly { readonly ip: string }[] | undefined,
): Errors {
  const addresses = (hostIPs ?? []).map(({ ip }) => ip)
  if (addresses.length > 0 && hostIP !== addresses[0]) {
    return [invalid('status.hostIPs[0].ip', addresses[0], 'must be equal to `hostIP`')]
  }
  return forEach(addresses, 'status.hostIPs', ipAddress)
}

export function validateEphemeralUpdate(pod: Pod, old: Pod): Errors {
  const field = 'spec.ephemeralContainers'
  const now = new Map((pod.spec.ephemeralContainers ?? []).map((item) => [item.name ?? '', item]))
  const changed = (old.spec.ephemeralContainers ?? []).flatMap((before) => {
    const name = before.name ?? ''
    const after = now.get(name)
    if (!after) {
      return [forbidden(field, `existing ephemeral containers "${name}" may not be removed\n`)]
    }
    if (sameValue(after, before)) return none
    const diff = jsonDiff(before, after, 'core.v1.EphemeralContainer')
    return [forbidden(field, `existing ephemeral containers "${name}" may not be changed\n${diff}`)]
  })
  const valid = validateAllContainers(pod.spec, 'spec').filter((error) =>
    error.field.startsWith(field),
  )
  return [...valid, ...changed]
}

/** Through resize only the CPU and memory of containers change. */
export function validateResize(pod: Pod, old: Pod): Errors {
  const munged = draftOf(pod.spec)
  for (const list of ['containers', 'initContainers'] as const) {
    for (const [index, container] of (munged[list] ?? []).entries()) {
      const before = old.spec[list]?.[index]
      if (before?.resources) container.resources = draftOf(before.resources)
      if (before?.resizePolicy) container.resizePolicy = draftOf(before.resizePolicy) as never
    }
  }
  const errors = validatePodSpec(pod.spec, 'spec')
  return sameValue(munged, old.spec)
    ? errors
    : [...errors, forbidden('spec', 'only cpu and memory resources are mutable')]
}
