// A Pod's volumes on disk: made before its containers start, kept up to date, removed at its end.
import * as fs from 'node:fs'
import { rm } from 'node:fs/promises'
import * as path from 'node:path'
import { quantityUnits } from '../api/machinery/quantity.ts'
import type {
  Container,
  HostPathVolumeSource,
  Pod,
  Volume,
  VolumeMount,
} from '../api/types/core.gen.ts'
import { mountTmpfs, unmount } from '../linux/mount.ts'
import { expand, unresolved } from './expand.ts'
import type { ContainerMount } from './runtime.ts'
import { type FileSources, type Files, VolumeError, volumeFiles } from './volume-files.ts'

export interface VolumePlace {
  /** Of this Pod, on disk; emptyDirs survive a restart of the agent in it. */
  readonly directory: string
  /** Of this Pod, in memory: secrets and tokens. */
  readonly memory: string
}

/** Mounted volumes of one Pod: name to directory (or file, of a hostPath). */
export type MountedVolumes = ReadonlyMap<string, string>

export class PodVolumes {
  readonly #place: VolumePlace
  readonly #sources: FileSources
  readonly #mounted = new Map<string, string>()
  readonly #tmpfs: string[] = []

  constructor(place: VolumePlace, sources: FileSources) {
    this.#place = place
    this.#sources = sources
  }

  get mounted(): MountedVolumes {
    return this.#mounted
  }

  /** Throws VolumeError for the first that cannot be. Calling again goes on where it stopped. */
  async mount(pod: Pod): Promise<void> {
    for (const volume of pod.spec.volumes ?? []) {
      if (this.#mounted.has(volume.name)) continue
      try {
        this.#mounted.set(volume.name, await this.#mountOne(volume, pod))
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error)
        const message = `MountVolume.SetUp failed for volume "${volume.name}" : ${reason}`
        throw new VolumeError(message, { cause: error })
      }
    }
  }

  /** Writes anew what came from objects or tokens that may have changed. */
  async refresh(pod: Pod): Promise<void> {
    for (const volume of pod.spec.volumes ?? []) {
      const directory = this.#mounted.get(volume.name)
      const files = directory && (await volumeFiles(volume, pod, this.#sources))
      if (directory && files) writeAtomically(directory, files, groupOf(pod))
    }
  }

  async #mountOne(volume: Volume, pod: Pod): Promise<string> {
    if (volume.hostPath) return hostPath(volume.hostPath)
    if (volume.emptyDir) return this.#emptyDir(volume, pod)
    const files = await volumeFiles(volume, pod, this.#sources)
    if (!files) throw new VolumeError('this kind of volume is not supported by this node')
    const secret = volume.secret ?? volume.projected
    const directory = path.join(secret ? this.#place.memory : this.#place.directory, volume.name)
    fs.mkdirSync(directory, { recursive: true, mode: 0o755 })
    writeAtomically(directory, files, groupOf(pod))
    return directory
  }

  #emptyDir(volume: Volume, pod: Pod): string {
    const directory = path.join(this.#place.directory, volume.name)
    fs.mkdirSync(directory, { recursive: true })
    if (volume.emptyDir?.medium === 'Memory') {
      const limit = quantityUnits(volume.emptyDir.sizeLimit)
      mountTmpfs(directory, limit > 0 ? `mode=0777,size=${limit}` : 'mode=0777')
      this.#tmpfs.push(directory)
    }
    fs.chmodSync(directory, 0o777)
    giveTo(directory, groupOf(pod))
    return directory
  }

  async unmount(): Promise<void> {
    for (const directory of this.#tmpfs) unmount(directory)
    await rm(this.#place.directory, { recursive: true, force: true })
    await rm(this.#place.memory, { recursive: true, force: true })
    this.#mounted.clear()
  }
}

function groupOf(pod: Pod): number | undefined {
  return pod.spec.securityContext?.fsGroup
}

/** Sets the group, so that what is made inside belongs to it too. Refused with a single uid: let be. */
function giveTo(target: string, group: number | undefined): void {
  if (group === undefined) return
  try {
    fs.chownSync(target, -1, group)
    const stat = fs.statSync(target)
    const bits = stat.isDirectory() ? 0o2070 : 0o040
    fs.chmodSync(target, (stat.mode & 0o7777) | bits)
  } catch {
    return
  }
}

const dataLink = '..data'

/**
 * The files appear all at once: in a new directory that the link ..data is moved to by rename.
 * The visible names are links through ..data, so a reader never sees half of an update.
 */
function writeAtomically(directory: string, files: Files, group: number | undefined): void {
  const link = path.join(directory, dataLink)
  if (isCurrent(directory, files)) return
  const old = readLink(link)
  const fresh = fs.mkdtempSync(path.join(directory, '..data_'))
  fs.chmodSync(fresh, 0o755)
  for (const [name, { content, mode }] of files) {
    const target = path.join(fresh, name)
    fs.mkdirSync(path.dirname(target), { recursive: true })
    fs.writeFileSync(target, content)
    fs.chmodSync(target, mode)
    giveTo(target, group)
  }
  fs.symlinkSync(path.basename(fresh), `${link}_tmp`)
  fs.renameSync(`${link}_tmp`, link)
  linkVisibleNames(directory, files)
  if (old !== undefined) fs.rmSync(path.join(directory, old), { recursive: true, force: true })
}

function readLink(link: string): string | undefined {
  try {
    return fs.readlinkSync(link)
  } catch {
    return undefined
  }
}

/** Nothing is written when nothing changed: programs watch these directories. */
function isCurrent(directory: string, files: Files): boolean {
  const link = readLink(path.join(directory, dataLink))
  if (link === undefined) return false
  const names = fs
    .readdirSync(path.join(directory, link), { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
  if (names.length !== files.size) return false
  return [...files].every(([name, { content }]) => {
    try {
      return fs.readFileSync(path.join(directory, link, name)).equals(content)
    } catch {
      return false
    }
  })
}

function linkVisibleNames(directory: string, files: Files): void {
  const wanted = new Set([...files.keys()].map((name) => name.split('/')[0]!))
  for (const name of fs.readdirSync(directory)) {
    if (!name.startsWith('..') && !wanted.has(name)) fs.rmSync(path.join(directory, name))
  }
  for (const name of wanted) {
    if (readLink(path.join(directory, name)) === undefined) {
      fs.symlinkSync(path.join(dataLink, name), path.join(directory, name))
    }
  }
}

function hostPath(source: HostPathVolumeSource): string {
  const target = source.path
  const type = source.type ?? ''
  const stat = fs.statSync(target, { throwIfNoEntry: false })
  if (type === 'DirectoryOrCreate' && !stat) fs.mkdirSync(target, { recursive: true, mode: 0o755 })
  else if (type === 'FileOrCreate' && !stat) fs.writeFileSync(target, '', { mode: 0o644 })
  else if (type !== '' && !(stat && isOfType(stat, type))) {
    throw new VolumeError(
      `hostPath type check failed: ${target} is not a ${typeNames[type] ?? type}`,
    )
  } else if (!stat) {
    throw new VolumeError(`hostPath "${target}" does not exist`)
  }
  return target
}

const typeNames: Readonly<Record<string, string>> = {
  Directory: 'directory',
  DirectoryOrCreate: 'directory',
  File: 'file',
  FileOrCreate: 'file',
  Socket: 'socket file',
  CharDevice: 'character device',
  BlockDevice: 'block device',
}

function isOfType(stat: fs.Stats, type: string): boolean {
  if (type.startsWith('Directory')) return stat.isDirectory()
  if (type.startsWith('File')) return stat.isFile()
  if (type === 'Socket') return stat.isSocket()
  return type === 'CharDevice' ? stat.isCharacterDevice() : stat.isBlockDevice()
}

/** The mounts of one container. Throws VolumeError for a subPath that does not stay inside. */
export function containerMounts(
  container: Container,
  volumes: MountedVolumes,
  env: Readonly<Record<string, string>>,
): ContainerMount[] {
  return (container.volumeMounts ?? []).map((mount) => {
    const base = volumes.get(mount.name)
    if (base === undefined) throw new VolumeError(`volume "${mount.name}" is not mounted`)
    const subPath = subPathOf(mount, env)
    const source = subPath === '' ? base : insideOf(base, subPath)
    return { source, target: mount.mountPath, readOnly: mount.readOnly ?? false }
  })
}

function subPathOf(mount: VolumeMount, env: Readonly<Record<string, string>>): string {
  if (!mount.subPathExpr) return mount.subPath ?? ''
  const missing = unresolved(mount.subPathExpr, (name) => env[name])
  if (missing.length > 0) {
    throw new VolumeError(`missing value for "${missing[0]}" in subPathExpr "${mount.subPathExpr}"`)
  }
  return expand(mount.subPathExpr, (name) => env[name])
}

/** A link inside the volume must not lead out of it. */
function insideOf(base: string, subPath: string): string {
  if (path.isAbsolute(subPath) || subPath.split('/').includes('..')) {
    throw new VolumeError(`subPath "${subPath}" must stay inside the volume`)
  }
  const source = path.join(base, subPath)
  if (!fs.existsSync(source)) fs.mkdirSync(source, { recursive: true, mode: 0o755 })
  const real = fs.realpathSync(source)
  const root = fs.realpathSync(base)
  if (real !== root && !real.startsWith(`${root}/`)) {
    throw new VolumeError(`subPath "${subPath}" leads out of the volume`)
  }
  return real
}
