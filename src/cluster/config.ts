// What a cluster is made of, from options, environment and what an earlier start left: plain data.

import { createHash } from 'node:crypto'
import * as fs from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import * as path from 'node:path'
import { ClusterError } from './cluster-error.ts'
import { hostResolvConf } from './host.ts'

export type Durability = 'fsync' | 'none'
export type ImagePolicy = 'strict' | 'builtin' | 'host'

export interface ClusterOptions {
  readonly name?: string | undefined
  readonly dataDir?: string | undefined
  readonly port?: number | undefined
  readonly durability?: Durability | undefined
  readonly imagePolicy?: ImagePolicy | undefined
  readonly resolvConf?: string | undefined
}

export interface ClusterConfig {
  /** "default" unless named. */
  readonly name: string
  /** Context, node and kubeconfig name: "signpost" or "signpost-NAME". */
  readonly contextName: string
  readonly dataDir: string
  /** Sockets; short, because a socket's path is limited to 107 bytes. */
  readonly runtimeDir: string
  readonly bindAddress: string
  /** 0: any free one. */
  readonly port: number
  readonly durability: Durability
  readonly imagePolicy: ImagePolicy
  readonly serviceClusterIPRange: string
  readonly clusterDNS: string
  readonly clusterDomain: string
  readonly podCIDR: string
  readonly nodeName: string
  readonly nodeIP: string
  readonly kubeletPort: number
  /** Names the resolvers that names outside the cluster are asked of. */
  readonly resolvConf: string
  readonly rootless: boolean
  readonly remembered?: Remembered
}

export const defaultPort = 6443
const defaultName = 'default'
const namePattern = /^[a-z0-9]([-a-z0-9]{0,30}[a-z0-9])?$/

/** What the data directory remembers between starts. */
export interface Remembered {
  readonly name: string
  readonly port: number
  /** The user's kubeconfig that has its context. */
  readonly kubeconfig?: string
}

export function clusterConfig(options: ClusterOptions): ClusterConfig {
  const { name, dataDir, remembered } = clusterPlace(options)
  const contextName = contextOf(name)
  return {
    name,
    contextName,
    dataDir,
    runtimeDir: runtimeDirOf(dataDir),
    bindAddress: '127.0.0.1',
    port: options.port ?? remembered?.port ?? (name === defaultName ? defaultPort : 0),
    durability: options.durability ?? 'fsync',
    imagePolicy: options.imagePolicy ?? 'host',
    serviceClusterIPRange: '10.96.0.0/16',
    clusterDNS: '10.96.0.10',
    clusterDomain: 'cluster.local',
    podCIDR: '10.244.0.0/24',
    nodeName: contextName,
    nodeIP: '192.168.50.2',
    kubeletPort: 10250,
    resolvConf: resolvConfOf(options.resolvConf),
    ...(remembered ? { remembered } : {}),
    rootless: process.getuid?.() !== 0,
  }
}

function resolvConfOf(asked: string | undefined): string {
  if (asked !== undefined && !fs.existsSync(asked)) {
    throw new ClusterError(`cannot use --resolv-conf "${asked}": there is no such file`)
  }
  return asked ?? hostResolvConf()
}

export interface ClusterPlace {
  readonly name: string
  readonly dataDir: string
  /** What an earlier start left there; absent where no cluster is. */
  readonly remembered: Remembered | undefined
}

export type PlaceOptions = Pick<ClusterOptions, 'name' | 'dataDir'>

/** Where a cluster lives, whether it exists or not. A data directory knows its cluster's name. */
export function clusterPlace(options: PlaceOptions): ClusterPlace {
  const asked = options.name ?? defaultName
  if (!namePattern.test(asked)) {
    throw new ClusterError(
      `cannot use the name "${asked}": a cluster's name is 1 to 32 lower-case letters, digits and "-"`,
    )
  }
  const dataDir = path.resolve(options.dataDir ?? path.join(dataHome(), 'signpost', asked))
  const remembered = readRemembered(dataDir)
  if (remembered && options.name !== undefined && options.name !== remembered.name) {
    throw new ClusterError(
      `"${dataDir}" holds cluster "${remembered.name}"; leave out --name, or choose another --data-dir`,
    )
  }
  return { name: remembered?.name ?? asked, dataDir, remembered }
}

/** The flags that name this cluster again, with a blank before each; "" for the default one. */
export function placeFlags(options: PlaceOptions): string {
  const flags = [
    ...(options.name === undefined ? [] : ['--name', options.name]),
    ...(options.dataDir === undefined ? [] : ['--data-dir', options.dataDir]),
  ]
  return flags.map((flag) => ` ${flag}`).join('')
}

export const contextOf = (name: string): string =>
  name === defaultName ? 'signpost' : `signpost-${name}`

function dataHome(): string {
  return process.env['XDG_DATA_HOME'] || path.join(homedir(), '.local', 'share')
}

/** One per data directory, for this user alone. */
export function runtimeDirOf(dataDir: string): string {
  const base =
    process.env['XDG_RUNTIME_DIR'] || path.join(tmpdir(), `signpost-${process.getuid?.() ?? 0}`)
  return path.join(
    base,
    `signpost-${createHash('sha256').update(dataDir).digest('hex').slice(0, 12)}`,
  )
}

const rememberedFile = (dataDir: string) => path.join(dataDir, 'cluster.json')

function readRemembered(dataDir: string): Remembered | undefined {
  const file = rememberedFile(dataDir)
  if (!fs.existsSync(file)) return undefined
  try {
    return JSON.parse(fs.readFileSync(file, 'utf8')) as Remembered
  } catch (error) {
    throw new ClusterError(
      `cannot read "${file}": ${(error as Error).message}; remove it to start with defaults`,
    )
  }
}

/** Makes the cluster's directories. */
export function prepareDirectories(config: ClusterConfig): void {
  try {
    makeDirectory(config.dataDir)
    makeDirectory(config.runtimeDir)
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'error'
    throw new ClusterError(
      `cannot create "${config.dataDir}" (${code}); choose a directory you may write to with --data-dir`,
    )
  }
  refuseForeign(config.runtimeDir)
}

/** With its parents. Node's own recursive mkdir does not return for a path below /proc. */
function makeDirectory(directory: string): void {
  if (isDirectory(directory)) return
  const parent = path.dirname(directory)
  if (parent !== directory && !fs.existsSync(directory)) makeDirectory(parent)
  try {
    fs.mkdirSync(directory, { mode: 0o700 })
  } catch (error) {
    // Another start may have been faster by a moment.
    if (!isDirectory(directory)) throw error
  }
}

const isDirectory = (directory: string): boolean =>
  fs.statSync(directory, { throwIfNoEntry: false })?.isDirectory() === true

export function remember(dataDir: string, remembered: Remembered): void {
  const file = rememberedFile(dataDir)
  fs.writeFileSync(`${file}.new`, `${JSON.stringify(remembered)}\n`, { mode: 0o600 })
  fs.renameSync(`${file}.new`, file)
}

/** /tmp belongs to everyone: sockets go only into a directory that is ours and closed to others. */
function refuseForeign(directory: string): void {
  const { uid, mode } = fs.statSync(directory)
  if (uid === process.getuid?.() && (mode & 0o077) === 0) return
  throw new ClusterError(
    `cannot use "${directory}": it belongs to another user or is open to others; set XDG_RUNTIME_DIR`,
  )
}
