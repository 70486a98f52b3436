// A container's file system, planned as data: which directories to make, what to mount where.
// The host view is a plain directory holding one overlay for each top directory of the host,
// because an overlay on "/" itself is refused in a user namespace.
import type { MountEntry } from '../../linux/mount.ts'
import type { ContainerMount } from '../runtime.ts'
import { maskedPaths } from './guards.ts'

/** What of the host can be shown, found out once per node (host-view.ts). */
export interface HostView {
  /** Top-level links, "bin" to "usr/bin". */
  readonly links: Readonly<Record<string, string>>
  /** Top directories that overlay works on. */
  readonly overlays: readonly string[]
  /** Those it does not work on: bound read-only. */
  readonly binds: readonly string[]
  /** In a user namespace overlay keeps its marks in user.* attributes. */
  readonly userxattr: boolean
  /** Whether a sysfs of the Pod's own network namespace can be mounted. */
  readonly ownSysfs: boolean
  /** Those of guards.ts that are there and can be guarded. */
  readonly guarded: readonly string[]
}

export interface RootfsPaths {
  /** The new root, an empty directory. */
  readonly root: string
  /** Changed files, by top directory. */
  readonly upper: string
  readonly work: string
  /** The node's template of /dev. */
  readonly dev: string
  readonly shm: string
}

export interface RootfsRequest {
  readonly view: HostView
  readonly paths: RootfsPaths
  /** An image's own files; absent for the host view. */
  readonly rootfs: string | undefined
  /** It may change the host's settings in /proc and /sys. */
  readonly privileged: boolean
  readonly mounts: readonly ContainerMount[]
  readonly files: Readonly<Record<string, string>>
}

export type FileKind = 'directory' | 'file' | 'link'

/** Questions about files that are there, answered by the caller. */
export interface Lookup {
  stat(path: string): FileKind | undefined
  readlink(path: string): string
}

export interface RootfsPlan {
  /** Parents first. */
  readonly directories: readonly string[]
  /** Those of them that everybody may write into, as /tmp. */
  readonly shared: readonly string[]
  readonly links: Readonly<Record<string, string>>
  /** Path to content. */
  readonly files: Readonly<Record<string, string>>
  readonly mounts: readonly MountEntry[]
}

/** Ends a chain of links that never arrives, as the kernel does. */
const maxLinks = 40

/** What every root has, empty at first. */
const emptyDirectories = ['proc', 'sys', 'dev', 'tmp', 'run', 'root', 'home', 'mnt', 'media']

/** Directories that programs expect to write into, owned by us so that they can without sub-uids. */
const writableDirectories = ['var/lib', 'var/log', 'var/cache', 'var/tmp', 'usr/local']

const quiet = ['nosuid', 'nodev', 'noexec']

export function planRootfs(request: RootfsRequest, lookup: Lookup): RootfsPlan {
  const plan = new Planner(request, lookup)
  plan.base()
  for (const [path, content] of Object.entries(request.files)) plan.file(path, content)
  const byDepth = [...request.mounts].sort((one, other) => depth(one.target) - depth(other.target))
  for (const mount of byDepth) plan.mount(mount)
  return plan.done()
}

function depth(path: string): number {
  return path.split('/').filter(Boolean).length
}

class Planner {
  readonly #request: RootfsRequest
  readonly #lookup: Lookup
  readonly #directories = new Set<string>()
  readonly #links: Record<string, string> = {}
  readonly #files: Record<string, string> = {}
  readonly #mounts: MountEntry[] = []

  constructor(request: RootfsRequest, lookup: Lookup) {
    this.#request = request
    this.#lookup = lookup
  }

  base(): void {
    const { paths, rootfs, privileged } = this.#request
    const { root } = paths
    if (rootfs === undefined) {
      this.#mounts.push({ source: root, target: root, type: 'none', options: ['bind'] })
      this.#hostDirectories()
    } else {
      this.#directories.add(paths.upper).add(paths.work)
      this.#mounts.push(this.#overlay(rootfs, root, { upper: paths.upper, work: paths.work }))
    }
    for (const name of [...emptyDirectories, '.old']) this.#directory(`/${name}`)
    this.#mounts.push(
      { source: 'proc', target: `${root}/proc`, type: 'proc', options: quiet },
      this.#sys(),
      ...(privileged ? [] : this.#guards()),
      { source: paths.dev, target: `${root}/dev`, type: 'none', options: ['rbind'] },
      { source: paths.shm, target: `${root}/dev/shm`, type: 'none', options: ['bind'] },
    )
  }

  #sys(): MountEntry {
    const { paths, view, privileged } = this.#request
    const options = privileged ? quiet : ['ro', ...quiet]
    return view.ownSysfs
      ? { source: 'sysfs', target: `${paths.root}/sys`, type: 'sysfs', options }
      : {
          source: '/sys',
          target: `${paths.root}/sys`,
          type: 'none',
          options: ['rbind', ...options],
        }
  }

  #guards(): MountEntry[] {
    const { paths, view } = this.#request
    return view.guarded.map((path) => {
      const target = `${paths.root}${path}`
      const options = ['bind', 'ro', ...quiet]
      if (!maskedPaths.includes(path)) return { source: target, target, type: 'none', options }
      return this.#lookup.stat(path) === 'directory'
        ? { source: 'tmpfs', target, type: 'tmpfs', options: ['ro', 'size=0', ...quiet] }
        : { source: `${paths.dev}/null`, target, type: 'none', options: ['bind'] }
    })
  }

  #hostDirectories(): void {
    const { paths, view } = this.#request
    Object.assign(
      this.#links,
      Object.fromEntries(
        Object.entries(view.links).map(([name, target]) => [`${paths.root}/${name}`, target]),
      ),
    )
    for (const name of view.overlays) {
      const [upper, work] = [`${paths.upper}/${name}`, `${paths.work}/${name}`]
      this.#directories.add(`${paths.root}/${name}`).add(upper).add(work)
      this.#mounts.push(this.#overlay(`/${name}`, `${paths.root}/${name}`, { upper, work }))
    }
    for (const name of view.binds) {
      const target = `${paths.root}/${name}`
      this.#directories.add(target)
      this.#mounts.push({ source: `/${name}`, target, type: 'none', options: ['rbind', 'ro'] })
    }
    if (!view.userxattr) return
    for (const path of writableDirectories) {
      if (view.overlays.includes(path.split('/')[0]!))
        this.#directories.add(`${paths.upper}/${path}`)
    }
  }

  #overlay(
    lower: string,
    target: string,
    own: { readonly upper: string; readonly work: string },
  ): MountEntry {
    const options = [`lowerdir=${lower}`, `upperdir=${own.upper}`, `workdir=${own.work}`]
    if (this.#request.view.userxattr) options.push('userxattr')
    return { source: 'overlay', target, type: 'overlay', options }
  }

  file(path: string, content: string): void {
    const place = this.#place(path)
    this.#parents(place.write)
    this.#files[place.write] = content
  }

  mount(mount: ContainerMount): void {
    const isDirectory = this.#lookup.stat(mount.source) === 'directory'
    const place = this.#place(mount.target)
    if (place.found === undefined && isDirectory) this.#makeDirectory(place.write)
    if (place.found === undefined && !isDirectory) this.file(mount.target, '')
    const options = mount.readOnly ? ['rbind', 'ro'] : ['rbind']
    const target = `${this.#request.paths.root}${place.path}`
    this.#mounts.push({ source: mount.source, target, type: 'none', options })
  }

  done(): RootfsPlan {
    return {
      directories: [...this.#directories],
      shared: ['tmp', 'var/tmp']
        .map((path) => this.#writePath(path.split('/')))
        .filter((path) => this.#directories.has(path)),
      links: this.#links,
      files: this.#files,
      mounts: this.#mounts,
    }
  }

  #directory(path: string): void {
    const place = this.#place(path)
    if (place.found === undefined) this.#makeDirectory(place.write)
  }

  #makeDirectory(path: string): void {
    this.#parents(path)
    this.#directories.add(path)
  }

  /** Every missing directory above; those that exist are made again without harm. */
  #parents(path: string): void {
    const { paths } = this.#request
    const base = [paths.upper, paths.root, paths.dev].find((dir) => path.startsWith(`${dir}/`))
    if (base === undefined) return
    const names = path
      .slice(base.length + 1)
      .split('/')
      .slice(0, -1)
    let directory = base
    for (const name of names) {
      directory = `${directory}/${name}`
      this.#directories.add(directory)
    }
  }

  /**
   * Where a path of the container is after its links were followed, what is there already, and
   * where to write before anything is mounted: under an overlay that is its upper directory,
   * since directories of the host cannot be changed through the overlay in a user namespace.
   */
  #place(path: string): { path: string; found: 'directory' | 'file' | undefined; write: string } {
    const rest = path.split('/').filter((name) => name !== '' && name !== '.')
    let resolved: string[] = []
    let found: 'directory' | 'file' | undefined = 'directory'
    let links = 0
    while (rest.length > 0) {
      const name = rest.shift()!
      if (name === '..') {
        resolved.pop()
        // Below it something may have been missing; here it may be there again.
        found = this.#kindAt(resolved)
        continue
      }
      const next = [...resolved, name]
      const kind: FileKind | undefined = found === undefined ? undefined : this.#kindOf(next)
      if (kind !== 'link' || ++links > maxLinks) {
        resolved = next
        found = kind === 'link' ? undefined : kind
        continue
      }
      const target = this.#targetOf(next)
      if (target.startsWith('/')) resolved = []
      found = this.#kindAt(resolved)
      rest.unshift(...target.split('/').filter((part) => part !== '' && part !== '.'))
    }
    const clean = `/${resolved.join('/')}`
    return { path: clean, found, write: this.#writePath(resolved) }
  }

  /** Of a path that has no links in it. */
  #kindAt(names: readonly string[]): 'directory' | 'file' | undefined {
    const kind = names.length === 0 ? 'directory' : this.#kindOf(names)
    return kind === 'link' ? undefined : kind
  }

  #kindOf(names: readonly string[]): FileKind | undefined {
    const written = this.#writePath(names)
    if (this.#directories.has(written)) return 'directory'
    if (written in this.#files) return 'file'
    if (written in this.#links) return 'link'
    const shown = this.#shownPath(names)
    return shown === undefined ? undefined : this.#lookup.stat(shown)
  }

  #targetOf(names: readonly string[]): string {
    return this.#links[this.#writePath(names)] ?? this.#lookup.readlink(this.#shownPath(names)!)
  }

  /** The path outside from which the container's path shows; undefined for what starts empty. */
  #shownPath(names: readonly string[]): string | undefined {
    const { rootfs, view, paths } = this.#request
    const path = names.join('/')
    if (names[0] === 'dev')
      return names.length === 1 ? undefined : `${paths.dev}/${names.slice(1).join('/')}`
    if (rootfs !== undefined) return `${rootfs}/${path}`
    const top = names[0]!
    return view.overlays.includes(top) || view.binds.includes(top) ? `/${path}` : undefined
  }

  #writePath(names: readonly string[]): string {
    const { rootfs, view, paths } = this.#request
    const path = names.join('/')
    if (names[0] === 'dev' && names.length > 1) return `${paths.dev}/${names.slice(1).join('/')}`
    if (rootfs !== undefined) return `${paths.upper}/${path}`
    return view.overlays.includes(names[0] ?? '') && names.length > 1
      ? `${paths.upper}/${path}`
      : `${paths.root}/${path}`
  }
}
