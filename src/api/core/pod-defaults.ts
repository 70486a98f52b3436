// What a Pod, and a Pod template of any workload, means when it says nothing.
import type { Draft } from '../machinery/draft.ts'
import type {
  Container,
  EnvVar,
  Lifecycle,
  Pod,
  PodSpec,
  Probe,
  ResourceRequirements,
  Volume,
} from '../types/core.gen.ts'

type SpecDraft = Draft<PodSpec>
type ContainerDraft = Draft<Container>

const fileMode = 0o644
const tokenSeconds = 3600

/** All containers that are specified like one; ephemeral ones lack a required name only. */
export function containersOf(spec: SpecDraft): ContainerDraft[] {
  const ephemeral = (spec.ephemeralContainers ?? []) as ContainerDraft[]
  return [...(spec.initContainers ?? []), ...(spec.containers ?? []), ...ephemeral]
}

/** Defaults of a Pod; a template's are fewer (defaultPodSpec), the rest is decided per Pod. */
export function defaultPod(pod: Draft<Pod>): void {
  const spec = (pod.spec ??= { containers: [] })
  for (const container of [...(spec.initContainers ?? []), ...(spec.containers ?? [])]) {
    requestLimits(container.resources)
    if (spec.hostNetwork)
      for (const port of container.ports ?? []) port.hostPort ||= port.containerPort
  }
  spec.enableServiceLinks ??= true
  defaultPodSpec(spec)
}

/** Who says limits only requests as much. */
function requestLimits(resources: Draft<ResourceRequirements> | undefined): void {
  if (!resources?.limits) return
  const requests = (resources.requests ??= {})
  for (const [name, quantity] of Object.entries(resources.limits)) requests[name] ??= quantity
}

export function defaultPodSpec(spec: SpecDraft): void {
  spec.dnsPolicy ||= 'ClusterFirst'
  spec.restartPolicy ||= 'Always'
  spec.securityContext ??= {}
  spec.terminationGracePeriodSeconds ??= 30
  spec.schedulerName ||= 'default-scheduler'
  mirrorServiceAccount(spec)
  for (const container of containersOf(spec)) defaultContainer(container)
  for (const volume of spec.volumes ?? []) defaultVolume(volume)
}

/** serviceAccount is the old name of serviceAccountName: read if alone, always written alike. */
function mirrorServiceAccount(spec: SpecDraft): void {
  const name = spec.serviceAccountName || spec.serviceAccount
  if (!name) return
  spec.serviceAccountName = name
  spec.serviceAccount = name
}

function defaultContainer(container: ContainerDraft): void {
  container.imagePullPolicy ||= pullPolicyOf(container.image ?? '')
  container.terminationMessagePath ||= '/dev/termination-log'
  container.terminationMessagePolicy ||= 'File'
  container.resources ??= {}
  for (const port of container.ports ?? []) port.protocol ||= 'TCP'
  for (const variable of container.env ?? []) defaultEnv(variable)
  for (const probe of [container.livenessProbe, container.readinessProbe, container.startupProbe]) {
    if (probe) defaultProbe(probe)
  }
  if (container.lifecycle) defaultLifecycle(container.lifecycle)
}

const nameComponent = '[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*'
const host = '(?:[a-zA-Z0-9](?:[-a-zA-Z0-9.]*[a-zA-Z0-9])?|\\[[0-9a-fA-F:]+\\])(?::[0-9]+)?'
const reference = new RegExp(
  `^(?:${host}/)?${nameComponent}(?:/${nameComponent})*(?::([\\w][\\w.-]{0,127}))?(@[A-Za-z0-9]+:[0-9a-fA-F]{32,})?$`,
)

/** Always for :latest and for no tag at all; what cannot be parsed has no tag that moves. */
function pullPolicyOf(image: string): 'Always' | 'IfNotPresent' {
  const match = reference.exec(image)
  if (!match) return 'IfNotPresent'
  const [, tag, digest] = match
  return (tag ?? (digest ? '' : 'latest')) === 'latest' ? 'Always' : 'IfNotPresent'
}

function defaultEnv({ valueFrom }: Draft<EnvVar>): void {
  if (valueFrom?.fieldRef) valueFrom.fieldRef.apiVersion ||= 'v1'
  if (valueFrom?.resourceFieldRef) valueFrom.resourceFieldRef.divisor ??= '0'
}

function defaultProbe(probe: Draft<Probe>): void {
  probe.timeoutSeconds ||= 1
  probe.periodSeconds ||= 10
  probe.successThreshold ||= 1
  probe.failureThreshold ||= 3
  if (probe.httpGet) defaultHttpGet(probe.httpGet)
  if (probe.grpc) probe.grpc.service ??= ''
}

function defaultLifecycle(lifecycle: Draft<Lifecycle>): void {
  for (const hook of [lifecycle.postStart, lifecycle.preStop]) {
    if (hook?.httpGet) defaultHttpGet(hook.httpGet)
  }
}

function defaultHttpGet(get: { path?: string | undefined; scheme?: string | undefined }): void {
  get.path ||= '/'
  get.scheme ||= 'HTTP'
}

type DownwardItems = readonly { fieldRef?: { apiVersion?: string | undefined } | undefined }[]

function defaultDownwardItems(items: DownwardItems | undefined): void {
  for (const { fieldRef } of items ?? []) if (fieldRef) fieldRef.apiVersion ||= 'v1'
}

function defaultVolume(volume: Draft<Volume>): void {
  if (Object.keys(volume).every((key) => key === 'name')) volume.emptyDir = {}
  for (const files of [volume.secret, volume.configMap, volume.downwardAPI, volume.projected]) {
    if (files) files.defaultMode ??= fileMode
  }
  defaultDownwardItems(volume.downwardAPI?.items)
  for (const { serviceAccountToken, downwardAPI } of volume.projected?.sources ?? []) {
    if (serviceAccountToken) serviceAccountToken.expirationSeconds ??= tokenSeconds
    defaultDownwardItems(downwardAPI?.items)
  }
  // "" is a type of its own: no check before the mount.
  if (volume.hostPath) (volume.hostPath as { type?: string }).type ??= ''
  if (volume.iscsi) volume.iscsi.iscsiInterface ||= 'default'
  if (volume.ephemeral?.volumeClaimTemplate) {
    volume.ephemeral.volumeClaimTemplate.spec.volumeMode ??= 'Filesystem'
  }
  if (volume.image) volume.image.pullPolicy ||= pullPolicyOf(volume.image.reference ?? '')
}
