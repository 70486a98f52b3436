// Names a request: which verb, on which resource, in which namespace. As upstream's
// k8s.io/apiserver/pkg/endpoints/request/requestinfo.go.
import type { FieldRequirement } from '../api/machinery/fields.ts'
import { exactFieldValue, parseFieldSelector } from '../api/machinery/fields.ts'

export interface RequestInfo {
  /** Below /api/VERSION or /apis/GROUP/VERSION, with a resource. */
  readonly isResource: boolean
  readonly path: string
  /** "get", "list", "watch", "create", …; for paths the method in lower case. */
  readonly verb: string
  readonly group: string
  readonly version: string
  readonly namespace: string
  readonly resource: string
  readonly subresource: string
  readonly name: string
  /** What stands after the subresource: the path to proxy. Decoded segments. */
  readonly rest: readonly string[]
  /** Terms of the field selector, for authorizers; absent where there is none that parses. */
  readonly fields?: readonly FieldRequirement[]
}

const verbs: Readonly<Record<string, string>> = {
  POST: 'create',
  GET: 'get',
  HEAD: 'get',
  PUT: 'update',
  PATCH: 'patch',
  DELETE: 'delete',
}

const namespaceSubresources = new Set(['status', 'finalize'])

interface Target {
  readonly method: string
  readonly path: string
  readonly query: URLSearchParams
}

export function nameRequest({ method, path, query }: Target): RequestInfo {
  const segments = splitPath(path)
  const grouped = segments[0] === 'apis'
  const atVersion = grouped ? 2 : 1
  if ((!grouped && segments[0] !== 'api') || segments.length <= atVersion + 1) {
    return pathRequest(method, path)
  }
  const group = grouped ? segments[1]! : ''
  const version = segments[atVersion]!
  let parts = segments.slice(atVersion + 1)
  let verb = verbs[method] ?? ''
  if (parts[0] === 'watch' && parts.length > 1) {
    verb = 'watch'
    parts = parts.slice(1)
  }
  return refineVerb({ isResource: true, path, verb, group, version, ...nameParts(parts) }, query)
}

function pathRequest(method: string, path: string): RequestInfo {
  const none = { group: '', version: '', namespace: '', resource: '', subresource: '', name: '' }
  return { isResource: false, path, verb: method.toLowerCase(), ...none, rest: [] }
}

type Parts = Pick<RequestInfo, 'namespace' | 'resource' | 'name' | 'subresource' | 'rest'>

function nameParts(parts: readonly string[]): Parts {
  let namespace = ''
  let own = parts
  if (parts[0] === 'namespaces' && parts.length > 1) {
    namespace = parts[1]!
    // /namespaces/NS/status is the Namespace's own; any other third segment is a resource in it.
    if (parts.length > 2 && !namespaceSubresources.has(parts[2]!)) own = parts.slice(2)
  }
  const [resource = '', name = '', subresource = '', ...rest] = own
  return { namespace, resource, name, subresource, rest }
}

function refineVerb(info: RequestInfo, query: URLSearchParams): RequestInfo {
  if (info.name !== '') return info
  if (info.verb === 'delete') return { ...info, verb: 'deletecollection' }
  if (info.verb !== 'get' && info.verb !== 'watch') return info
  const verb = info.verb === 'watch' || isTrue(query.get('watch')) ? 'watch' : 'list'
  const fields = fieldTerms(query.get('fieldSelector'))
  // Authorization sees which one object is meant, so that resourceNames work for informers.
  const name = (fields && exactFieldValue(fields, 'metadata.name')) ?? ''
  return { ...info, verb, name, ...(fields ? { fields } : {}) }
}

/** Of a selector that does not parse nothing is said here: the list itself refuses it. */
function fieldTerms(text: string | null): readonly FieldRequirement[] | undefined {
  if (text === null || text === '') return undefined
  const parsed = parseFieldSelector(text)
  return parsed.ok ? parsed.value : undefined
}

/** A boolean query parameter: present and neither "false" nor "0". */
export function isTrue(value: string | null): boolean {
  return value !== null && value !== 'false' && value !== '0'
}

function splitPath(path: string): string[] {
  const segments: string[] = []
  for (const segment of path.split('/')) {
    if (segment !== '') segments.push(decodeSegment(segment))
  }
  return segments
}

function decodeSegment(segment: string): string {
  if (!segment.includes('%')) return segment
  try {
    return decodeURIComponent(segment)
  } catch {
    return segment
  }
}
