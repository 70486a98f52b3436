// From a container's spec to what the runtime is told: image, environment, user, mounts, files.
import { configmaps, secrets } from '../api/resources.gen.ts'
import type { ConfigMap, Container, Pod, Secret, Service } from '../api/types/core.gen.ts'
import type { PodFacts } from './downward.ts'
import { buildEnv } from './env.ts'
import { expand } from './expand.ts'
import type { ImageContext, ResolvedImage } from './image.ts'
import { resolveImage } from './images.ts'
import type { ObjectHolder } from './object-source.ts'
import type { PodFiles } from './pod-files.ts'
import { privilegesOf } from './privileges.ts'
import type { ContainerConfig, ContainerMount, ContainerUser } from './runtime.ts'
import { VolumeError } from './volume-files.ts'
import { containerMounts, type MountedVolumes } from './volumes.ts'

/** Why a container is not even tried: a waiting reason and its message. */
export class StartRefused extends Error {
  override readonly name = 'StartRefused'
  readonly reason: string

  constructor(reason: string, message: string) {
    super(message)
    this.reason = reason
  }
}

export interface StarterContext {
  readonly pod: Pod
  readonly facts: PodFacts
  readonly images: ImageContext
  readonly services: readonly Service[]
  readonly objects: ObjectHolder
  readonly volumes: MountedVolumes
  readonly hostname: string
  readonly files: PodFiles
  /** A user namespace with one uid cannot be anybody else. */
  readonly singleUser: boolean
}

export interface PreparedContainer {
  readonly config: ContainerConfig
  readonly image: ResolvedImage
  /** Where the container leaves its last words. */
  readonly terminationLog: string
  /** The Pod asked for a user that it cannot be. */
  readonly ignoredUser?: number
}

/** Throws StartRefused. */
export async function prepareContainer(
  container: Container,
  attempt: number,
  context: StarterContext,
): Promise<PreparedContainer> {
  const resolved = resolveImage(container, context.images)
  if ('reason' in resolved) throw new StartRefused(resolved.reason, resolved.message)
  const { image } = resolved
  const own = await environment(container, context)
  const { user, ignored } = userOf(container, context, image)
  const home = user.uid === 0 ? '/root' : '/'
  const about = image.tellsPod ? podVariables(context) : {}
  const env = { HOSTNAME: context.hostname, HOME: home, ...about, ...image.env, ...own }
  const terminal = container.tty ? { TERM: 'xterm' } : {}
  const lookup = (name: string) => env[name as keyof typeof env]
  const terminationLog = context.files.makeTerminationLog(container.name, attempt)
  const config: ContainerConfig = {
    name: container.name,
    attempt,
    ...(image.rootfs === undefined ? {} : { rootfs: image.rootfs }),
    readOnlyRootfs: container.securityContext?.readOnlyRootFilesystem ?? false,
    argv: image.argv.map((word) => expand(word, lookup)),
    env: { ...terminal, ...env },
    workingDir: container.workingDir || image.workingDir,
    user,
    privileges: privilegesOf(container),
    mounts: [...image.mounts, ...mountsOf(container, { env, terminationLog }, context)],
    files: { '/etc/hostname': `${context.hostname}\n` },
    stdin: container.stdin ?? false,
    tty: container.tty ?? false,
    logPath: context.files.logPath(container.name, attempt),
  }
  return {
    config,
    image,
    terminationLog,
    ...(ignored === undefined ? {} : { ignoredUser: ignored }),
  }
}

/** What the built-in servers say about themselves. */
function podVariables({ pod, facts }: StarterContext): Record<string, string> {
  return {
    POD_NAME: pod.metadata.name,
    POD_NAMESPACE: pod.metadata.namespace ?? '',
    POD_IP: facts.podIPs[0] ?? '',
    NODE_NAME: pod.spec.nodeName ?? '',
  }
}

async function environment(container: Container, context: StarterContext) {
  const names = referencesOf(container)
  const namespace = context.pod.metadata.namespace ?? ''
  const configMaps = new Map<string, ConfigMap | undefined>()
  const secretMap = new Map<string, Secret | undefined>()
  for (const name of names.configMaps) {
    configMaps.set(name, await context.objects.get(configmaps, namespace, name))
  }
  for (const name of names.secrets) {
    secretMap.set(name, await context.objects.get(secrets, namespace, name))
  }
  const result = buildEnv(context.pod, container, {
    services: context.services,
    facts: context.facts,
    configMap: (name) => configMaps.get(name),
    secret: (name) => secretMap.get(name),
  })
  if ('error' in result) throw new StartRefused('CreateContainerConfigError', result.error)
  return result.env
}

function referencesOf(container: Container): { configMaps: Set<string>; secrets: Set<string> } {
  const configMaps = new Set<string>()
  const secretNames = new Set<string>()
  for (const { configMapRef, secretRef } of container.envFrom ?? []) {
    if (configMapRef?.name) configMaps.add(configMapRef.name)
    if (secretRef?.name) secretNames.add(secretRef.name)
  }
  for (const { valueFrom } of container.env ?? []) {
    if (valueFrom?.configMapKeyRef?.name) configMaps.add(valueFrom.configMapKeyRef.name)
    if (valueFrom?.secretKeyRef?.name) secretNames.add(valueFrom.secretKeyRef.name)
  }
  return { configMaps, secrets: secretNames }
}

function userOf(
  container: Container,
  context: StarterContext,
  image: ResolvedImage,
): { user: ContainerUser; ignored?: number } {
  const pod = context.pod.spec.securityContext
  const own = container.securityContext
  const uid = own?.runAsUser ?? pod?.runAsUser ?? (Number.parseInt(image.user, 10) || 0)
  const gid = own?.runAsGroup ?? pod?.runAsGroup ?? 0
  const groups = [
    ...(pod?.supplementalGroups ?? []),
    ...(pod?.fsGroup === undefined ? [] : [pod.fsGroup]),
  ]
  if ((own?.runAsNonRoot ?? pod?.runAsNonRoot) && uid === 0) {
    const { name, namespace, uid: podUID } = context.pod.metadata
    const where = `(pod: "${name}_${namespace}(${podUID})", container: ${container.name})`
    const message = `container has runAsNonRoot and image will run as root ${where}`
    throw new StartRefused('CreateContainerConfigError', message)
  }
  if (!context.singleUser) return { user: { uid, gid, groups } }
  const user = { uid: 0, gid: 0, groups: [] }
  return uid === 0 ? { user } : { user, ignored: uid }
}

const defaultTerminationPath = '/dev/termination-log'

function mountsOf(
  container: Container,
  own: { readonly env: Readonly<Record<string, string>>; readonly terminationLog: string },
  context: StarterContext,
): ContainerMount[] {
  let volumes: ContainerMount[]
  try {
    volumes = containerMounts(container, context.volumes, own.env)
  } catch (error) {
    if (error instanceof VolumeError) {
      throw new StartRefused('CreateContainerConfigError', error.message)
    }
    throw error
  }
  const taken = new Set(volumes.map(({ target }) => target))
  const { directory } = context.files
  const usual: ContainerMount[] = [
    { source: `${directory}/resolv.conf`, target: '/etc/resolv.conf', readOnly: false },
    { source: `${directory}/hosts`, target: '/etc/hosts', readOnly: false },
    {
      source: own.terminationLog,
      target: container.terminationMessagePath || defaultTerminationPath,
      readOnly: false,
    },
  ]
  return [...usual.filter(({ target }) => !taken.has(target)), ...volumes]
}
