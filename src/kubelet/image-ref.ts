// Image references in full: "nginx" is docker.io/library/nginx:latest.

export interface ImageRef {
  /** "docker.io/library/nginx" */
  readonly repository: string
  /** "latest"; empty when a digest says it. */
  readonly tag: string
  readonly digest: string
}

const component = '[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*'
const repositoryPattern = new RegExp(`^${component}(?:/${component})*$`)
const hostPattern =
  /^(?:localhost|[a-zA-Z0-9-]+(?:\.[a-zA-Z0-9-]+)+|\[[0-9a-fA-F:]+\]|[a-zA-Z0-9-]+(?=:))(?::\d+)?$/
const tagPattern = /^[\w][\w.-]{0,127}$/
const digestPattern = /^[a-z0-9]+:[0-9a-fA-F]{32,}$/

/** Undefined when the text cannot be an image reference. */
export function parseImageRef(text: string): ImageRef | undefined {
  const [named = '', digest = ''] = text.split('@')
  const slash = named.lastIndexOf('/')
  const colon = named.indexOf(':', slash + 1)
  const name = colon < 0 ? named : named.slice(0, colon)
  const tag = colon < 0 ? (digest === '' ? 'latest' : '') : named.slice(colon + 1)
  if ((colon >= 0 || tag !== '') && !tagPattern.test(tag)) return undefined
  if (text.includes('@') && !digestPattern.test(digest)) return undefined
  const first = name.split('/')[0]!
  const hasHost = name.includes('/') && hostPattern.test(first)
  const path = hasHost ? name.slice(first.length + 1) : name
  if (!repositoryPattern.test(path)) return undefined
  if (hasHost) return { repository: name, tag, digest }
  const full = path.includes('/') ? path : `library/${path}`
  return { repository: `docker.io/${full}`, tag, digest }
}

export function formatImageRef(ref: ImageRef): string {
  const tag = ref.tag === '' ? '' : `:${ref.tag}`
  const digest = ref.digest === '' ? '' : `@${ref.digest}`
  return `${ref.repository}${tag}${digest}`
}
