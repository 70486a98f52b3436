// What an image is to a container, and what is needed to find one.
import type { ContainerMount } from './runtime.ts'

/** strict: only the map; builtin: and what is built in; host: and programs of the host. */
export type ImagePolicy = 'strict' | 'builtin' | 'host'

/** One line of the image map. Exactly one of rootfs and host says where the files come from. */
export interface ImageMapping {
  /** A full reference, one without a tag, or a pattern with "*". */
  readonly image: string
  readonly rootfs?: string
  readonly host?: boolean
  readonly entrypoint?: readonly string[]
  readonly cmd?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  readonly workingDir?: string
  readonly user?: string
}

/** This program itself, which some built-in images run. */
export interface Program {
  readonly execPath: string
  /** Options of Node.js before the entry. */
  readonly execArgv: readonly string[]
  readonly entry: string
  /** Directories that must be visible for it to run. */
  readonly roots: readonly string[]
}

export interface ImageContext {
  readonly policy: ImagePolicy
  readonly map: readonly ImageMapping[]
  readonly program: Program
  /** Whether the host has this program in its usual directories. */
  hasProgram(name: string): boolean
}

export interface ResolvedImage {
  /** Its scheme says what it really is: map, signpost-builtin or host. */
  readonly imageID: string
  /** Absent: the host's own files. */
  readonly rootfs?: string
  readonly argv: readonly string[]
  readonly env: Readonly<Record<string, string>>
  readonly workingDir: string
  readonly user: string
  readonly mounts: readonly ContainerMount[]
  /** It wants to know which Pod it runs in. */
  readonly tellsPod: boolean
  /** Told in an event, once per Pod. */
  readonly substitution?: string
}

export type ImageResult =
  | { readonly image: ResolvedImage }
  | { readonly reason: ImageFailure; readonly message: string }

export type ImageFailure =
  | 'InvalidImageName'
  | 'ErrImagePull'
  | 'ErrImageNeverPull'
  | 'CreateContainerError'

/** What a source of images gives; entry and environment are still to be combined with the Pod's. */
export interface ImageConfig {
  readonly imageID: string
  readonly rootfs?: string | undefined
  readonly entrypoint: readonly string[]
  readonly cmd: readonly string[]
  readonly env?: Readonly<Record<string, string>> | undefined
  readonly workingDir?: string | undefined
  readonly user?: string | undefined
  readonly mounts?: readonly ContainerMount[]
  readonly tellsPod?: boolean
  readonly substitution?: string
}

export const defaultPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
