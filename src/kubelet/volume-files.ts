// Which files a configMap, secret, downwardAPI or projected volume holds.
import type {
  ConfigMap,
  DownwardAPIVolumeFile,
  KeyToPath,
  Pod,
  Secret,
  Volume,
  VolumeProjection,
} from '../api/types/core.gen.ts'
import { fieldValue, type PodFacts, resourceValue } from './downward.ts'

export interface VolumeFile {
  readonly content: Uint8Array
  readonly mode: number
}

export interface FileSources {
  readonly facts: PodFacts
  configMap(name: string): Promise<ConfigMap | undefined>
  secret(name: string): Promise<Secret | undefined>
  /** A token for the Pod's ServiceAccount. */
  token(audience: string | undefined, expirationSeconds: number): Promise<string>
}

/** For event FailedMount. */
export class VolumeError extends Error {
  override readonly name = 'VolumeError'
}

export type Files = ReadonlyMap<string, VolumeFile>

const defaultFileMode = 0o644
const tokenMode = 0o600
const defaultTokenSeconds = 3607

/** Undefined for a volume of another kind. */
export async function volumeFiles(
  volume: Volume,
  pod: Pod,
  sources: FileSources,
): Promise<Files | undefined> {
  const projections = projectionsOf(volume)
  if (!projections) return undefined
  const files = new Map<string, VolumeFile>()
  for (const projection of projections.sources) {
    const part = await projectionFiles(projection, projections.mode, { pod, sources })
    for (const [path, file] of part) files.set(path, file)
  }
  return files
}

/** The other kinds are a projected volume with one source. */
function projectionsOf(
  volume: Volume,
): { sources: readonly VolumeProjection[]; mode: number } | undefined {
  const { configMap, secret, downwardAPI, projected } = volume
  if (configMap) return { sources: [{ configMap }], mode: configMap.defaultMode ?? defaultFileMode }
  if (secret) {
    const { secretName, ...rest } = secret
    const sources = [{ secret: { ...rest, ...(secretName ? { name: secretName } : {}) } }]
    return { sources, mode: secret.defaultMode ?? defaultFileMode }
  }
  if (downwardAPI)
    return { sources: [{ downwardAPI }], mode: downwardAPI.defaultMode ?? defaultFileMode }
  if (projected) {
    return { sources: projected.sources ?? [], mode: projected.defaultMode ?? defaultFileMode }
  }
  return undefined
}

interface Context {
  readonly pod: Pod
  readonly sources: FileSources
}

async function projectionFiles(
  projection: VolumeProjection,
  mode: number,
  context: Context,
): Promise<Files> {
  const { configMap, secret, downwardAPI, serviceAccountToken: token } = projection
  if (configMap) return configMapFiles(configMap, mode, context)
  if (secret) return secretFiles(secret, mode, context)
  if (downwardAPI) return downwardFiles(downwardAPI.items ?? [], mode, context)
  if (token) {
    const seconds = token.expirationSeconds ?? defaultTokenSeconds
    const text = await context.sources.token(token.audience, seconds)
    const owned = context.pod.spec.securityContext?.fsGroup !== undefined
    return new Map([[token.path, { content: Buffer.from(text), mode: owned ? tokenMode : mode }]])
  }
  throw new VolumeError('projected volume source is not supported by this node')
}

interface Selection {
  readonly name?: string | undefined
  readonly items?: readonly KeyToPath[] | undefined
  readonly optional?: boolean | undefined
}

async function configMapFiles(
  selection: Selection,
  mode: number,
  context: Context,
): Promise<Files> {
  const { name = '', optional } = selection
  const found = await context.sources.configMap(name)
  if (!found && !optional) throw new VolumeError(`configmap "${name}" not found`)
  const all = new Map<string, Uint8Array>()
  for (const [key, text] of Object.entries(found?.data ?? {})) all.set(key, Buffer.from(text))
  for (const [key, text] of Object.entries(found?.binaryData ?? {})) {
    all.set(key, Buffer.from(text, 'base64'))
  }
  return select(all, selection, mode)
}

async function secretFiles(selection: Selection, mode: number, context: Context): Promise<Files> {
  const { name = '', optional } = selection
  const found = await context.sources.secret(name)
  if (!found && !optional) throw new VolumeError(`secret "${name}" not found`)
  const all = new Map(
    Object.entries(found?.data ?? {}).map(([key, text]) => [key, Buffer.from(text, 'base64')]),
  )
  return select(all, selection, mode)
}

function select(all: ReadonlyMap<string, Uint8Array>, selection: Selection, mode: number): Files {
  const { items } = selection
  if (!items || items.length === 0) {
    return new Map([...all].map(([key, content]) => [key, { content, mode }]))
  }
  const files = new Map<string, VolumeFile>()
  for (const item of items) {
    const content = all.get(item.key)
    if (content) files.set(item.path, { content, mode: item.mode ?? mode })
    else if (!selection.optional) {
      throw new VolumeError(`references non-existent config key: ${item.key}`)
    }
  }
  return files
}

function downwardFiles(
  items: readonly DownwardAPIVolumeFile[],
  mode: number,
  context: Context,
): Files {
  const { pod, sources } = context
  const files = new Map<string, VolumeFile>()
  for (const item of items) {
    let value: string | undefined
    if (item.fieldRef) value = fieldValue(item.fieldRef.fieldPath, pod, sources.facts)
    const resource = item.resourceFieldRef
    if (resource) {
      const container = pod.spec.containers.find(({ name }) => name === resource.containerName)
      if (container) value = resourceValue(resource, container, sources.facts)
    }
    if (value === undefined)
      throw new VolumeError(`cannot find what file "${item.path}" is to hold`)
    files.set(item.path, { content: Buffer.from(value), mode: item.mode ?? mode })
  }
  return files
}
