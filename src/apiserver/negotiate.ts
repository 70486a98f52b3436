// Which encoding an answer takes: the Accept header, in the two steps upstream has. First the
// router's (a bare type must be one we produce), then the serializer's with its parameters.
import { badRequestError, StatusError, statusError } from '../api/machinery/status.ts'

export type Encoding = 'json' | 'yaml' | 'protobuf'
export type Transform = 'none' | 'table' | 'metadata' | 'metadataList'

export interface Media {
  readonly encoding: Encoding
  readonly as: Transform
  /** Of meta.k8s.io, for tables and metadata: "v1" or "v1beta1". */
  readonly metaVersion: 'v1' | 'v1beta1'
  readonly contentType: string
  readonly pretty: boolean
  /** Answers of one id are the same bytes. */
  readonly id: string
}

export const contentTypes: Readonly<Record<Encoding, string>> = {
  json: 'application/json',
  yaml: 'application/yaml',
  protobuf: 'application/vnd.kubernetes.protobuf',
}

const encodings = new Map<string, Encoding>([
  [contentTypes.json, 'json'],
  [contentTypes.yaml, 'yaml'],
  [contentTypes.protobuf, 'protobuf'],
])

export const plainJson: Media = media('json', 'none', 'v1')

function media(encoding: Encoding, as: Transform, metaVersion: 'v1' | 'v1beta1'): Media {
  return {
    encoding,
    as,
    metaVersion,
    contentType: contentTypes[encoding],
    pretty: false,
    id: `${encoding};${as};${metaVersion}`,
  }
}

interface Clause {
  readonly type: string
  readonly parameters: Readonly<Record<string, string>>
  readonly quality: number
}

export interface NegotiationRules {
  /** Custom resources have no protobuf; watches no YAML. */
  readonly encodings: readonly Encoding[]
  readonly transforms: readonly Transform[]
}

const everyTransform: readonly Transform[] = ['none', 'table', 'metadata', 'metadataList']
export const builtinRules: NegotiationRules = {
  encodings: ['json', 'yaml', 'protobuf'],
  transforms: everyTransform,
}
export const watchRules: NegotiationRules = {
  encodings: ['json', 'protobuf'],
  transforms: everyTransform,
}
export const customRules: NegotiationRules = {
  encodings: ['json', 'yaml'],
  transforms: everyTransform,
}
export const plainRules: NegotiationRules = {
  encodings: ['json', 'yaml', 'protobuf'],
  transforms: ['none'],
}

const known = new Map<string, readonly Clause[]>()
/** Clients send one of a handful of headers; more distinct ones are a mistake or an attack. */
const maxKnown = 500

/** Throws NotAcceptable when nothing the client takes can be had. */
export function negotiate(accept: string | undefined, rules: NegotiationRules): Media {
  if (accept === undefined || accept === '' || accept === '*/*') return plainJson
  const clauses = parsedAccept(accept)
  if (!clauses.some(({ type }) => type === '*/*' || producible(type, rules))) {
    throw notProduced(rules)
  }
  for (const clause of clauses) {
    const chosen = chooseFor(clause, rules)
    if (chosen) return chosen
  }
  const list = rules.encodings.map((encoding) => contentTypes[encoding]).join(', ')
  throw statusError('NotAcceptable', `only the following media types are accepted: ${list}`)
}

function producible(type: string, rules: NegotiationRules): boolean {
  const encoding = encodings.get(type)
  return encoding !== undefined && rules.encodings.includes(encoding)
}

function notProduced(rules: NegotiationRules): StatusError {
  const list = rules.encodings.map((encoding) => contentTypes[encoding]).join(', ')
  return statusError(
    'NotAcceptable',
    `406: Not Acceptable\n\nAvailable representations: ${list}`,
    {},
  )
}

function chooseFor(clause: Clause, rules: NegotiationRules): Media | undefined {
  const encoding =
    clause.type === '*/*' || clause.type === 'application/*'
      ? rules.encodings[0]
      : encodings.get(clause.type)
  if (encoding === undefined || !rules.encodings.includes(encoding)) return undefined
  const as = transformOf(clause.parameters)
  if (as === undefined || !rules.transforms.includes(as)) return undefined
  const version = as === 'none' ? 'v1' : clause.parameters.v
  if (version !== 'v1' && version !== 'v1beta1') return undefined
  if (as !== 'none' && clause.parameters.g !== 'meta.k8s.io') return undefined
  const chosen = media(encoding, as, version)
  return clause.parameters.pretty === '1' ? { ...chosen, pretty: true } : chosen
}

function transformOf(parameters: Readonly<Record<string, string>>): Transform | undefined {
  switch (parameters.as) {
    case undefined:
      return 'none'
    case 'Table':
      return 'table'
    case 'PartialObjectMetadata':
      return 'metadata'
    case 'PartialObjectMetadataList':
      return 'metadataList'
    default:
      return undefined
  }
}

function parsedAccept(accept: string): readonly Clause[] {
  const found = known.get(accept)
  if (found) return found
  const clauses = accept
    .split(',')
    .map(parseClause)
    .filter(({ type, quality }) => type !== '' && quality > 0)
  // Stable: equal qualities stay in the client's order.
  clauses.sort((one, other) => other.quality - one.quality)
  if (known.size < maxKnown) known.set(accept, clauses)
  return clauses
}

export function parseClause(text: string): Clause {
  const [type = '', ...rest] = text.split(';')
  const parameters: Record<string, string> = {}
  let quality = 1
  for (const part of rest) {
    const [name = '', value = ''] = part.split('=')
    const trimmed = value.trim().replace(/^"(.*)"$/, '$1')
    if (name.trim() === 'q') quality = Number.isNaN(Number(trimmed)) ? 1 : Number(trimmed)
    else parameters[name.trim()] = trimmed
  }
  return { type: type.trim().toLowerCase(), parameters, quality }
}

/** How a request body is encoded; throws UnsupportedMediaType. Absent means JSON. */
export function bodyEncoding(
  contentType: string | undefined,
  accepted: readonly Encoding[],
): Encoding {
  const type = contentType === undefined ? '' : parseClause(contentType).type
  const encoding = type === '' || type === '*/*' ? 'json' : encodings.get(type)
  if (encoding && accepted.includes(encoding)) return encoding
  const list = accepted.map((one) => contentTypes[one]).join(', ')
  throw statusError(
    'UnsupportedMediaType',
    `the body of the request was in an unknown format - accepted media types include: ${list}`,
  )
}

/** "?pretty=true", or a person with a browser or curl (as upstream guesses from the agent). */
export function isPretty(query: URLSearchParams, userAgent: string | undefined): boolean {
  const asked = query.get('pretty')
  if (asked !== null && asked !== '') return asked === 'true' || asked === '1'
  return /^(curl|Wget|Mozilla\/5\.0)/.test(userAgent ?? '')
}

export function tableObjectPolicy(query: URLSearchParams): 'None' | 'Metadata' | 'Object' {
  const asked = query.get('includeObject') ?? ''
  if (asked === '' || asked === 'Metadata') return 'Metadata'
  if (asked === 'None' || asked === 'Object') return asked
  throw badRequestError(
    `Unable to convert to Table as requested: includeObject: Invalid value: ${JSON.stringify(asked)}: must be 'Metadata', 'Object', 'None', or empty`,
  )
}
