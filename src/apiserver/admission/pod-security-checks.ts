// The checks of the Pod Security Standards, levels baseline and restricted, in upstream's words.
import type {
  Capabilities,
  Container,
  EphemeralContainer,
  PodSecurityContext,
  PodSpec,
} from '../../api/types/core.gen.ts'

export type Level = 'privileged' | 'baseline' | 'restricted'

export interface PodLike {
  readonly metadata?:
    | { readonly annotations?: Readonly<Record<string, string>> | undefined }
    | undefined
  readonly spec?: PodSpec | undefined
}

type Item = Container | EphemeralContainer

interface View {
  readonly spec: PodSpec
  readonly context: PodSecurityContext
  readonly containers: readonly Item[]
  readonly annotations: Readonly<Record<string, string>>
}

/** The reason, with details in brackets; undefined when the Pod keeps it. */
type Check = (view: View) => string | undefined

/** What a Pod violates of a level; empty when it keeps it. */
export function violationsOf(level: Level, pod: PodLike): readonly string[] {
  if (level === 'privileged') return []
  const spec = pod.spec ?? ({ containers: [] } as unknown as PodSpec)
  const view: View = {
    spec,
    context: spec.securityContext ?? {},
    containers: [
      ...(spec.initContainers ?? []),
      ...(spec.containers ?? []),
      ...(spec.ephemeralContainers ?? []),
    ],
    annotations: pod.metadata?.annotations ?? {},
  }
  const checks = level === 'baseline' ? baseline : restricted
  return checks.map((check) => check(view)).filter((text) => text !== undefined)
}

const list = (names: readonly string[]): string =>
  names.map((name) => JSON.stringify(name)).join(', ')
const plural = (word: string, names: readonly unknown[]): string =>
  names.length === 1 ? word : `${word}s`

/** `container "a"`, `containers "a", "b"` */
const named = (items: readonly Item[]): string =>
  `${plural('container', items)} ${list(items.map(({ name }) => name ?? ''))}`

const unique = <T>(values: readonly T[]): T[] => [...new Set(values)]

const hostNamespaces: Check = ({ spec }) => {
  const used = (['hostNetwork', 'hostPID', 'hostIPC'] as const).filter((field) => spec[field])
  return used.length === 0
    ? undefined
    : `host namespaces (${used.map((field) => `${field}=true`).join(', ')})`
}

const privileged: Check = ({ containers }) => {
  const bad = containers.filter(({ securityContext }) => securityContext?.privileged)
  return bad.length === 0
    ? undefined
    : `privileged (${named(bad)} must not set securityContext.privileged=true)`
}

const baselineCapabilities: ReadonlySet<string> = new Set([
  'AUDIT_WRITE',
  'CHOWN',
  'DAC_OVERRIDE',
  'FOWNER',
  'FSETID',
  'KILL',
  'MKNOD',
  'NET_BIND_SERVICE',
  'SETFCAP',
  'SETGID',
  'SETPCAP',
  'SETUID',
  'SYS_CHROOT',
])

const addedBeyond = (allowed: ReadonlySet<string>, { add }: Capabilities): string[] =>
  (add ?? []).filter((name) => !allowed.has(name))

const capabilitiesBaseline: Check = ({ containers }) => {
  const beyond = ({ securityContext }: Item) =>
    addedBeyond(baselineCapabilities, securityContext?.capabilities ?? {})
  const bad = containers.filter((item) => beyond(item).length > 0)
  if (bad.length === 0) return undefined
  const names = unique(bad.flatMap(beyond)).sort()
  return `non-default capabilities (${named(bad)} must not include ${list(names)} in securityContext.capabilities.add)`
}

const hostPath: Check = ({ spec }) => {
  const bad = (spec.volumes ?? []).filter((volume) => volume.hostPath).map(({ name }) => name)
  return bad.length === 0 ? undefined : `hostPath volumes (${plural('volume', bad)} ${list(bad)})`
}

const hostPorts: Check = ({ containers }) => {
  const portsOf = ({ ports }: Item) =>
    (ports ?? []).map(({ hostPort }) => hostPort ?? 0).filter((port) => port !== 0)
  const bad = containers.filter((item) => portsOf(item).length > 0)
  if (bad.length === 0) return undefined
  const ports = unique(bad.flatMap(portsOf)).sort((one, other) => one - other)
  const verb = bad.length === 1 ? 'uses' : 'use'
  return `hostPort (${named(bad)} ${verb} ${plural('hostPort', ports)} ${ports.join(', ')})`
}

const procMount: Check = ({ containers }) => {
  const mountOf = ({ securityContext }: Item) => securityContext?.procMount ?? 'Default'
  const bad = containers.filter((item) => mountOf(item) !== 'Default')
  if (bad.length === 0) return undefined
  const types = unique(bad.map(mountOf)).sort()
  return `procMount (${named(bad)} must not set securityContext.procMount to ${list(types)})`
}

const selinuxTypes: ReadonlySet<string> = new Set([
  '',
  'container_t',
  'container_init_t',
  'container_kvm_t',
  'container_engine_t',
])

const seLinuxOptions: Check = ({ context, containers }) => {
  const all = [
    context.seLinuxOptions,
    ...containers.map((item) => item.securityContext?.seLinuxOptions),
  ]
  const types = unique(
    all.map((options) => options?.type ?? '').filter((type) => !selinuxTypes.has(type)),
  )
  const details = [
    ...(types.length > 0 ? [`${plural('type', types)} ${list(types.sort())}`] : []),
    ...(all.some((options) => options?.user) ? ['user may not be set'] : []),
    ...(all.some((options) => options?.role) ? ['role may not be set'] : []),
  ]
  if (details.length === 0) return undefined
  const bad = containers.filter(({ securityContext }) =>
    isBadSelinux(securityContext?.seLinuxOptions),
  )
  const where = [
    ...(isBadSelinux(context.seLinuxOptions) ? ['pod'] : []),
    ...(bad.length > 0 ? [named(bad)] : []),
  ].join(' and ')
  return `seLinuxOptions (${where} set forbidden securityContext.seLinuxOptions: ${details.join('; ')})`
}

const isBadSelinux = (options: PodSecurityContext['seLinuxOptions']): boolean =>
  !selinuxTypes.has(options?.type ?? '') || Boolean(options?.user || options?.role)

const isBadSeccomp = (type: string | undefined): boolean =>
  type !== undefined && type !== 'RuntimeDefault' && type !== 'Localhost'

const seccompBaseline: Check = ({ context, containers }) => {
  const bad = containers.filter(({ securityContext }) =>
    isBadSeccomp(securityContext?.seccompProfile?.type),
  )
  const podIsBad = isBadSeccomp(context.seccompProfile?.type)
  if (!podIsBad && bad.length === 0) return undefined
  const where = [...(podIsBad ? ['pod'] : []), ...(bad.length > 0 ? [named(bad)] : [])].join(
    ' and ',
  )
  const types = unique(
    [context, ...bad.map((item) => item.securityContext)].map((at) => at?.seccompProfile?.type),
  )
    .filter(isBadSeccomp)
    .sort()
  return `seccompProfile (${where} must not set securityContext.seccompProfile.type to ${list(types as string[])})`
}

const appArmor: Check = ({ annotations, context, containers }) => {
  const isBad = (profile: string) =>
    profile !== '' && profile !== 'runtime/default' && !profile.startsWith('localhost/')
  const bad = Object.entries(annotations)
    .filter(
      ([name, profile]) =>
        name.startsWith('container.apparmor.security.beta.kubernetes.io/') && isBad(profile),
    )
    .map(([name, profile]) => `${name}=${JSON.stringify(profile)}`)
    .sort()
  const unconfined = [context, ...containers.map((item) => item.securityContext)].some(
    (at) => at?.appArmorProfile?.type === 'Unconfined',
  )
  if (bad.length === 0 && !unconfined) return undefined
  if (bad.length > 0) return `forbidden AppArmor ${plural('profile', bad)} (${bad.join(', ')})`
  const items = containers.filter(
    (item) => item.securityContext?.appArmorProfile?.type === 'Unconfined',
  )
  const where = [
    ...(context.appArmorProfile?.type === 'Unconfined' ? ['pod'] : []),
    ...(items.length > 0 ? [named(items)] : []),
  ].join(' and ')
  return `forbidden AppArmor profile (${where} must not set AppArmor profile type to "Unconfined")`
}

const safeSysctls: ReadonlySet<string> = new Set([
  'kernel.shm_rmid_forced',
  'net.ipv4.ip_local_port_range',
  'net.ipv4.ip_local_reserved_ports',
  'net.ipv4.ip_unprivileged_port_start',
  'net.ipv4.ping_group_range',
  'net.ipv4.tcp_fin_timeout',
  'net.ipv4.tcp_keepalive_intvl',
  'net.ipv4.tcp_keepalive_probes',
  'net.ipv4.tcp_keepalive_time',
  'net.ipv4.tcp_rmem',
  'net.ipv4.tcp_syncookies',
  'net.ipv4.tcp_wmem',
])

const sysctls: Check = ({ context }) => {
  const bad = (context.sysctls ?? [])
    .map(({ name }) => name)
    .filter((name) => !safeSysctls.has(name))
  return bad.length === 0 ? undefined : `forbidden sysctls (${bad.join(', ')})`
}

const hostProcess: Check = ({ context, containers }) => {
  const bad = containers.filter(
    ({ securityContext }) => securityContext?.windowsOptions?.hostProcess,
  )
  const podIsBad = context.windowsOptions?.hostProcess === true
  if (!podIsBad && bad.length === 0) return undefined
  const where = [...(podIsBad ? ['pod'] : []), ...(bad.length > 0 ? [named(bad)] : [])].join(
    ' and ',
  )
  return `hostProcess (${where} must not set securityContext.windowsOptions.hostProcess=true)`
}

const allowPrivilegeEscalation: Check = ({ spec, containers }) => {
  if (spec.os?.name === 'windows') return undefined
  const bad = containers.filter(
    ({ securityContext }) => securityContext?.allowPrivilegeEscalation !== false,
  )
  return bad.length === 0
    ? undefined
    : `allowPrivilegeEscalation != false (${named(bad)} must set securityContext.allowPrivilegeEscalation=false)`
}

const capabilitiesRestricted: Check = ({ spec, containers }) => {
  if (spec.os?.name === 'windows') return undefined
  const allowed: ReadonlySet<string> = new Set(['NET_BIND_SERVICE'])
  const beyond = ({ securityContext }: Item) =>
    addedBeyond(allowed, securityContext?.capabilities ?? {})
  const keeping = containers.filter(
    (item) => !item.securityContext?.capabilities?.drop?.includes('ALL'),
  )
  const adding = containers.filter((item) => beyond(item).length > 0)
  if (keeping.length === 0 && adding.length === 0) return undefined
  const details = [
    ...(keeping.length > 0
      ? [`${named(keeping)} must set securityContext.capabilities.drop=["ALL"]`]
      : []),
    ...(adding.length > 0
      ? [
          `${named(adding)} must not include ${list(unique(adding.flatMap(beyond)).sort())} in securityContext.capabilities.add`,
        ]
      : []),
  ]
  return `unrestricted capabilities (${details.join('; ')})`
}

const volumeTypes: ReadonlySet<string> = new Set([
  'configMap',
  'csi',
  'downwardAPI',
  'emptyDir',
  'ephemeral',
  'image',
  'persistentVolumeClaim',
  'projected',
  'secret',
])

const restrictedVolumes: Check = ({ spec }) => {
  const typeOf = (volume: object) =>
    Object.entries(volume).find(([name, source]) => name !== 'name' && source)?.[0] ?? 'emptyDir'
  const bad = (spec.volumes ?? []).filter((volume) => !volumeTypes.has(typeOf(volume)))
  if (bad.length === 0) return undefined
  const names = bad.map(({ name }) => name)
  const types = unique(bad.map(typeOf)).sort()
  const verb = names.length === 1 ? 'uses' : 'use'
  return `restricted volume types (${plural('volume', names)} ${list(names)} ${verb} restricted volume ${plural('type', types)} ${list(types)})`
}

const runAsNonRoot: Check = ({ spec, context, containers }) => {
  if (spec.hostUsers === false) return undefined
  const explicitlyBad = containers.filter((item) => item.securityContext?.runAsNonRoot === false)
  if (explicitlyBad.length > 0) {
    const podPart = context.runAsNonRoot === false ? 'pod and ' : ''
    return `runAsNonRoot != true (${podPart}${named(explicitlyBad)} must not set securityContext.runAsNonRoot=false)`
  }
  if (context.runAsNonRoot === true) return undefined
  const implicitlyBad = containers.filter((item) => item.securityContext?.runAsNonRoot !== true)
  if (context.runAsNonRoot === false) {
    return 'runAsNonRoot != true (pod must not set securityContext.runAsNonRoot=false)'
  }
  return implicitlyBad.length === 0
    ? undefined
    : `runAsNonRoot != true (pod or ${named(implicitlyBad)} must set securityContext.runAsNonRoot=true)`
}

const runAsUser: Check = ({ spec, context, containers }) => {
  if (spec.hostUsers === false) return undefined
  const bad = containers.filter(({ securityContext }) => securityContext?.runAsUser === 0)
  const where = [
    ...(context.runAsUser === 0 ? ['pod'] : []),
    ...(bad.length > 0 ? [named(bad)] : []),
  ]
  return where.length === 0
    ? undefined
    : `runAsUser=0 (${where.join(' and ')} must not set runAsUser=0)`
}

const seccompRestricted: Check = (view) => {
  const { spec, context, containers } = view
  if (spec.os?.name === 'windows') return undefined
  const explicit = seccompBaseline(view)
  if (explicit !== undefined) return explicit
  if (context.seccompProfile?.type !== undefined) return undefined
  const bad = containers.filter(
    ({ securityContext }) => securityContext?.seccompProfile === undefined,
  )
  return bad.length === 0
    ? undefined
    : `seccompProfile (pod or ${named(bad)} must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost")`
}

/** Sorted by upstream's check ids, which is the order of the message. */
const shared: readonly Check[] = [appArmor, hostNamespaces]
const baseline: readonly Check[] = [
  ...shared,
  capabilitiesBaseline,
  hostPath,
  hostPorts,
  hostProcess,
  privileged,
  procMount,
  seccompBaseline,
  seLinuxOptions,
  sysctls,
]
/** Restricted checks take the place of the baseline ones they are stricter than. */
const restricted: readonly Check[] = [
  ...shared,
  hostPorts,
  hostProcess,
  privileged,
  procMount,
  seLinuxOptions,
  sysctls,
  allowPrivilegeEscalation,
  capabilitiesRestricted,
  restrictedVolumes,
  runAsNonRoot,
  runAsUser,
  seccompRestricted,
]
