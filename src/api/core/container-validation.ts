// Containers, init containers and ephemeral containers of a Pod or a template.
import { duplicate, forbidden, invalid, required } from '../machinery/field-error.ts'
import { dns1123LabelProblems, portNameProblems, userIdProblems } from '../machinery/names.ts'
import {
  type Errors,
  forEach,
  invalids,
  none,
  oneOf,
  portNumber,
  present,
} from '../machinery/validation.ts'
import type {
  Container,
  ContainerPort,
  EphemeralContainer,
  PodSpec,
  SecurityContext,
} from '../types/core.gen.ts'
import { validateEnv, validateEnvFrom } from './env-validation.ts'
import { validateLifecycle, validateProbes } from './probe-validation.ts'
import { validateResources } from './resources-validation.ts'
import { protocols } from './service-validation.ts'
import { validateMounts } from './volume-validation.ts'

const pullPolicies = ['Always', 'IfNotPresent', 'Never']
const messagePolicies = ['FallbackToLogsOnError', 'File']

interface Scope {
  readonly spec: PodSpec
  readonly volumeNames: ReadonlySet<string>
  readonly graceSeconds: number
  /** Names taken so far; containers of all three lists share one space. */
  readonly names: Set<string>
}

export function validateAllContainers(spec: PodSpec, field: string): Errors {
  const scope: Scope = {
    spec,
    volumeNames: new Set((spec.volumes ?? []).map((volume) => volume.name ?? '')),
    graceSeconds: spec.terminationGracePeriodSeconds ?? 0,
    names: new Set(),
  }
  const containers = spec.containers ?? []
  return [
    ...(containers.length === 0 ? [required(`${field}.containers`)] : none),
    ...forEach(containers, `${field}.containers`, (container, at) => [
      ...validateContainer(container, at, scope),
      ...validateLifecycle(container, at, scope.graceSeconds),
      ...validateProbes(container, at, scope.graceSeconds),
      ...refuseRestartPolicy(container, at),
    ]),
    ...validateHostPorts(containers, `${field}.containers`),
    ...forEach(spec.initContainers, `${field}.initContainers`, (container, at) =>
      validateInitContainer(container, at, scope),
    ),
    ...validateEphemeral(spec, `${field}.ephemeralContainers`, scope),
  ]
}

function validateContainer(container: Container, field: string, scope: Scope): Errors {
  return [
    ...validateName(container.name, `${field}.name`, scope.names),
    ...validateImage(container.image, `${field}.image`),
    ...(container.terminationMessagePolicy
      ? oneOf(
          container.terminationMessagePolicy,
          `${field}.terminationMessagePolicy`,
          messagePolicies,
        )
      : [required(`${field}.terminationMessagePolicy`)]),
    ...validatePorts(container.ports, `${field}.ports`),
    ...validateEnv(container.env, `${field}.env`),
    ...validateEnvFrom(container.envFrom, `${field}.envFrom`),
    ...validateMounts(container, scope.volumeNames, field),
    ...(container.imagePullPolicy
      ? oneOf(container.imagePullPolicy, `${field}.imagePullPolicy`, pullPolicies)
      : [required(`${field}.imagePullPolicy`)]),
    ...validateResources(container.resources, `${field}.resources`),
    ...validateSecurityContext(container.securityContext, `${field}.securityContext`),
    ...(scope.spec.hostNetwork ? validateHostNetworkPorts(container, field) : none),
  ]
}

function validateName(name: string, field: string, names: Set<string>): Errors {
  if (!name) return [required(field)]
  const problems = invalids(field, name, dns1123LabelProblems(name))
  const repeated = names.has(name) ? [duplicate(field, name)] : none
  names.add(name)
  return [...problems, ...repeated]
}

export function validateImage(image: string | undefined, field: string): Errors {
  if (!image) return [required(field)]
  return image === image.trim()
    ? none
    : [invalid(field, image, 'must not have leading or trailing whitespace')]
}

function validatePorts(ports: readonly ContainerPort[] | undefined, field: string): Errors {
  const names = new Set<string>()
  return forEach(ports, field, (port, at) => {
    const { name } = port
    const problems = name ? invalids(`${at}.name`, name, portNameProblems(name)) : none
    const repeated =
      name && problems.length === 0 && names.has(name) ? [duplicate(`${at}.name`, name)] : none
    if (name) names.add(name)
    return [
      ...problems,
      ...repeated,
      ...(port.containerPort
        ? portNumber(port.containerPort, `${at}.containerPort`)
        : [required(`${at}.containerPort`)]),
      ...(port.hostPort ? portNumber(port.hostPort, `${at}.hostPort`) : none),
      ...(port.protocol
        ? oneOf(port.protocol, `${at}.protocol`, protocols)
        : [required(`${at}.protocol`)]),
    ]
  })
}

const validateHostNetworkPorts = ({ ports }: Container, field: string): Errors =>
  forEach(ports, `${field}.ports`, ({ hostPort = 0, containerPort }, at) =>
    hostPort === containerPort
      ? none
      : [
          invalid(
            `${at}.hostPort`,
            hostPort,
            'must match `containerPort` when `hostNetwork` is true',
          ),
        ],
  )

function validateHostPorts(containers: readonly Container[], field: string): Errors {
  const taken = new Set<string>()
  return forEach(containers, field, ({ ports }, at) =>
    forEach(ports, `${at}.ports`, ({ protocol, hostIP = '', hostPort }, path) => {
      if (!hostPort) return none
      const key = `${protocol}/${hostIP}/${hostPort}`
      const repeated = taken.has(key) ? [duplicate(`${path}.hostPort`, key)] : none
      taken.add(key)
      return repeated
    }),
  )
}

const refuseRestartPolicy = (container: Container, field: string): Errors =>
  oneOf(container.restartPolicy, `${field}.restartPolicy`, ['Always', 'Never', 'OnFailure'])

/** An init container that is no sidecar ends before the others start: nobody probes it. */
function validateInitContainer(container: Container, field: string, scope: Scope): Errors {
  const own = [
    ...validateContainer(container, field, scope),
    ...oneOf(container.restartPolicy, `${field}.restartPolicy`, ['Always', 'Never', 'OnFailure']),
    ...validateHostPorts([container], field),
  ]
  if (container.restartPolicy === 'Always') {
    return [
      ...own,
      ...validateLifecycle(container, field, scope.graceSeconds),
      ...validateProbes(container, field, scope.graceSeconds),
    ]
  }
  const refused = ['lifecycle', 'livenessProbe', 'readinessProbe', 'startupProbe'] as const
  const detail = 'may not be set for init containers without restartPolicy=Always'
  return [
    ...own,
    ...refused.flatMap((name) =>
      container[name] === undefined ? none : [forbidden(`${field}.${name}`, detail)],
    ),
  ]
}

const ephemeralRefuses = [
  'ports',
  'livenessProbe',
  'readinessProbe',
  'startupProbe',
  'lifecycle',
  'resources',
  'resizePolicy',
] as const

function validateEphemeral(spec: PodSpec, field: string, scope: Scope): Errors {
  const targets = new Set(
    [...(spec.initContainers ?? []), ...(spec.containers ?? [])].map(({ name }) => name),
  )
  return forEach(spec.ephemeralContainers, field, (container, at) => [
    ...validateContainer({ ...container, name: container.name ?? '' }, at, scope),
    ...refuseForEphemeral(container, at),
    ...(container.targetContainerName && !targets.has(container.targetContainerName)
      ? [invalidTarget(container, at)]
      : none),
  ])
}

const invalidTarget = ({ targetContainerName }: EphemeralContainer, field: string) => ({
  type: 'FieldValueNotFound' as const,
  field: `${field}.targetContainerName`,
  message: `Not found: ${JSON.stringify(targetContainerName)}`,
})

function refuseForEphemeral(container: EphemeralContainer, field: string): Errors {
  const refused = ephemeralRefuses.flatMap((name) => {
    const value = container[name]
    const unset = value === undefined || Object.keys(value).length === 0
    return unset
      ? none
      : [forbidden(`${field}.${name}`, 'cannot be set for an Ephemeral Container')]
  })
  const subPaths = forEach(container.volumeMounts, `${field}.volumeMounts`, (mount, at) => [
    ...(mount.subPath
      ? [forbidden(`${at}.subPath`, 'cannot be set for an Ephemeral Container')]
      : none),
    ...(mount.subPathExpr
      ? [forbidden(`${at}.subPathExpr`, 'cannot be set for an Ephemeral Container')]
      : none),
  ])
  return [...refused, ...subPaths]
}

function validateSecurityContext(context: SecurityContext | undefined, field: string): Errors {
  if (!context) return none
  const { runAsUser, runAsGroup, privileged, allowPrivilegeEscalation, capabilities } = context
  const adds = capabilities?.add ?? []
  const contradiction = (what: string) => [
    invalid(field, context, `cannot set \`allowPrivilegeEscalation\` to false and ${what}`),
  ]
  return [
    ...(runAsUser === undefined
      ? none
      : invalids(`${field}.runAsUser`, runAsUser, userIdProblems(runAsUser))),
    ...(runAsGroup === undefined
      ? none
      : invalids(`${field}.runAsGroup`, runAsGroup, userIdProblems(runAsGroup))),
    ...oneOf(context.procMount, `${field}.procMount`, ['Default', 'Unmasked']),
    ...validateSeccomp(context, field),
    ...(allowPrivilegeEscalation === false && privileged
      ? contradiction('`privileged` to true')
      : none),
    ...(allowPrivilegeEscalation === false && adds.includes('CAP_SYS_ADMIN')
      ? contradiction('`capabilities.Add` CAP_SYS_ADMIN')
      : none),
  ]
}

/** Of a container or of a whole Pod. */
export function validateSeccomp(
  context: Pick<SecurityContext, 'seccompProfile'>,
  field: string,
): Errors {
  const profile = context.seccompProfile
  if (!profile) return none
  const at = `${field}.seccompProfile`
  if (profile.type === 'Localhost') {
    return present(
      profile.localhostProfile,
      `${at}.localhostProfile`,
      'must be set when seccomp type is Localhost',
    )
  }
  return [
    ...(profile.localhostProfile
      ? [
          invalid(
            `${at}.localhostProfile`,
            profile.localhostProfile,
            'can only be set when seccomp type is Localhost',
          ),
        ]
      : none),
    ...oneOf(profile.type, `${at}.type`, ['Localhost', 'RuntimeDefault', 'Unconfined']),
  ]
}
