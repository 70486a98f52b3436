// What an image name means where there are no images: the user's map first, then what Signpost
// brings along, then the host's own programs. Whatever is not the real image says so.
import type { Container } from '../api/types/core.gen.ts'
import { builtinImages } from './builtin-images.ts'
import {
  defaultPath,
  type ImageConfig,
  type ImageContext,
  type ImageResult,
  type ResolvedImage,
} from './image.ts'
import { formatImageRef, type ImageRef, parseImageRef } from './image-ref.ts'

export function resolveImage(container: Container, context: ImageContext): ImageResult {
  const name = container.image ?? ''
  const ref = parseImageRef(name)
  if (!ref) {
    const message = `Failed to apply default image tag "${name}": couldn't parse image name "${name}": invalid reference format`
    return { reason: 'InvalidImageName', message }
  }
  const found =
    fromMap(ref, context) ?? fromBuiltin(ref, context) ?? fromHost(ref, container, context)
  return found ? entryOf(found, container, name) : notFound(ref, container, context)
}

function fromMap(ref: ImageRef, context: ImageContext): ImageConfig | undefined {
  const mapping = context.map.find((candidate) => matches(candidate.image, ref))
  if (!mapping) return undefined
  const { rootfs, entrypoint = [], cmd = [], env, workingDir, user } = mapping
  return {
    imageID: `map://${formatImageRef(ref)}`,
    ...{ rootfs, entrypoint, cmd, env, workingDir, user },
    substitution: rootfs === undefined ? 'programs of the host' : `the directory ${rootfs}`,
  }
}

function matches(pattern: string, ref: ImageRef): boolean {
  const full = formatImageRef(ref)
  if (pattern.includes('*')) {
    const source = pattern.split('*').map(escapePattern).join('.*')
    return new RegExp(`^${source}$`).test(full) || new RegExp(`^${source}$`).test(ref.repository)
  }
  const wanted = parseImageRef(pattern)
  if (!wanted || wanted.repository !== ref.repository) return false
  const bare = !pattern.slice(pattern.lastIndexOf('/') + 1).includes(':') && wanted.digest === ''
  return bare || formatImageRef(wanted) === full
}

function escapePattern(text: string): string {
  return text.replace(/[\\^$.|?+()[\]{}]/g, '\\$&')
}

function fromBuiltin(ref: ImageRef, context: ImageContext): ImageConfig | undefined {
  if (context.policy === 'strict') return undefined
  const builtin = builtinImages(context).find(({ repositories }) =>
    repositories.includes(ref.repository),
  )
  if (!builtin) return undefined
  const { name, entrypoint, cmd, env, mounts, own } = builtin
  const tellsPod = mounts.length > 0
  const substitution = own ? {} : { substitution: `Signpost's built-in ${name}` }
  return {
    imageID: `signpost-builtin://${name}`,
    entrypoint,
    cmd,
    env,
    mounts,
    tellsPod,
    ...substitution,
  }
}

/** The program that images of this name start, where its name on a host is known. */
const knownPrograms: Readonly<Record<string, readonly string[]>> = {
  'docker.io/library/node': ['node'],
  'docker.io/library/python': ['python3'],
  'docker.io/library/redis': ['redis-server'],
  'docker.io/library/perl': ['perl'],
  'docker.io/library/ruby': ['ruby'],
  'docker.io/library/postgres': ['postgres'],
  'docker.io/library/memcached': ['memcached'],
}

function fromHost(
  ref: ImageRef,
  container: Container,
  context: ImageContext,
): ImageConfig | undefined {
  if (context.policy !== 'host') return undefined
  const known = knownPrograms[ref.repository]
  const program = container.command?.[0] ?? known?.[0]
  if (program === undefined || !context.hasProgram(program)) return undefined
  return {
    imageID: `host://${formatImageRef(ref)}`,
    entrypoint: known ?? [],
    cmd: [],
    substitution: `the host's own "${program}"`,
  }
}

/** command replaces the entry point and drops the image's arguments; args replaces only those. */
function entryOf(config: ImageConfig, container: Container, name: string): ImageResult {
  const { command = [], args = [] } = container
  const entrypoint = command.length > 0 ? command : config.entrypoint
  const cmd = args.length > 0 || command.length > 0 ? args : config.cmd
  const argv = [...entrypoint, ...cmd]
  if (argv.length === 0) {
    const message = `no command specified: image "${name}" is ${config.substitution ?? 'one without an entry point'}, so the container must name a command`
    return { reason: 'CreateContainerError', message }
  }
  const image: ResolvedImage = {
    imageID: config.imageID,
    ...(config.rootfs === undefined ? {} : { rootfs: config.rootfs }),
    argv,
    env: { PATH: defaultPath, ...config.env },
    workingDir: config.workingDir ?? '/',
    user: config.user ?? '',
    mounts: config.mounts ?? [],
    tellsPod: config.tellsPod ?? false,
    ...(config.substitution
      ? {
          substitution: `image "${name}" is not run as it is: it is replaced by ${config.substitution}`,
        }
      : {}),
  }
  return { image }
}

function notFound(ref: ImageRef, container: Container, context: ImageContext): ImageResult {
  const name = formatImageRef(ref)
  if (container.imagePullPolicy === 'Never') {
    const message = `Container image "${container.image}" is not present with pull policy of Never`
    return { reason: 'ErrImageNeverPull', message }
  }
  const remedies = [
    'map it to a directory or to programs of this host in ConfigMap kube-system/signpost-images',
    ...(context.policy === 'host' ? ['name a command that this host has'] : []),
    'use a built-in image (signpost/echo, busybox, nginx, agnhost, ...)',
  ]
  const message = `failed to pull and unpack image "${name}": the process runtime pulls no images; ${remedies.join(', or ')}`
  return { reason: 'ErrImagePull', message }
}
