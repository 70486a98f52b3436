// Objects and lists as bytes in the encoding a client asked for. Plain JSON of a built-in kind is
// the cached bytes themselves; everything else is made once for an entry and kept with it.
import type { KubeObject } from '../api/machinery/resource.ts'
import { statusError } from '../api/machinery/status.ts'
import { encode } from '../api/schema/encode.ts'
import { encodeMessage, encodeProtobuf, encodeProtobufList } from '../api/schema/protobuf.ts'
import { structOfKind } from '../api/schema/schema.ts'
import type { CacheEntry } from './cache-entry.ts'
import type { EncodeOptions } from './encoding.ts'
import { partialOf } from './encoding.ts'
import type { Media } from './negotiate.ts'
import type { Served } from './served.ts'
import { objectOf } from './served.ts'
import { tableOf } from './tables.ts'
import { formatYaml } from './yaml.ts'

interface Typed {
  readonly apiVersion?: string | undefined
  readonly kind?: string | undefined
}

/** Encodes an object that says what it is: Status, Scale, review answers, tables, documents. */
export function encodeTyped(value: Typed, media: Media): Buffer {
  const { apiVersion = '', kind = '' } = value
  const struct = structOfKind(apiVersion, kind)
  if (media.encoding === 'protobuf') {
    if (struct !== undefined) return encodeProtobuf({ apiVersion, kind }, struct, value)
    throw statusError('NotAcceptable', `${kind} cannot be encoded as protobuf`)
  }
  return encodeText(value, media)
}

function encodeText(value: unknown, media: Media): Buffer {
  if (media.encoding === 'yaml') return Buffer.from(formatYaml(value))
  if (media.pretty) return Buffer.from(`${JSON.stringify(value, null, 2)}\n`)
  return Buffer.from(JSON.stringify(value))
}

/** A typed object by the schema: empty fields as Go writes them or leaves them out. */
export function encodeBySchema(value: Typed, media: Media): Buffer {
  const struct = structOfKind(value.apiVersion ?? '', value.kind ?? '')
  if (struct === undefined || media.encoding === 'protobuf') return encodeTyped(value, media)
  return encodeText(JSON.parse(encode(struct, value)), media)
}

/** One object as the answer of a get or a write. */
export function encodeEntry(served: Served, entry: CacheEntry, options: EncodeOptions): Buffer {
  const { media } = options
  if (media.as === 'table') return encodeTyped(tableOf(served, [entry], options), media)
  if (media.as === 'metadataList') {
    const message = `you requested PartialObjectMetadataList, but the requested object is not a list (${goTypeOf(served)})`
    throw statusError('NotAcceptable', message)
  }
  if (!media.pretty) return encodeCached(served, entry, media)
  const object = media.as === 'metadata' ? partialOf(entry.object, media) : objectOf(served, entry)
  return encodeText(object, media)
}

function goTypeOf(served: Served): string {
  const group = served.resource.group === '' ? 'core' : served.resource.group.split('.')[0]
  return `*${group}.${served.resource.kind}`
}

/** Made once for each (entry, media); for plain JSON of what is stored, nothing is made at all. */
export function encodeCached(served: Served, entry: CacheEntry, media: Media): Buffer {
  if (media.as !== 'none') {
    return entry.encoding(media.id, () => encodeTyped(partialOf(entry.object, media), media))
  }
  if (media.encoding === 'json' && !served.kind.view) return entry.json
  return entry.encoding(`${served.apiVersion};${media.id}`, () => {
    const object = objectOf(served, entry)
    if (media.encoding !== 'protobuf') return encodeText(object, media)
    const { kind, struct } = served.resource
    return encodeProtobuf({ apiVersion: served.apiVersion, kind }, struct, object)
  })
}

export interface ListMeta {
  readonly resourceVersion?: string
  readonly continue?: string
  readonly remainingItemCount?: number
}

export interface EntryList {
  readonly entries: readonly CacheEntry[]
  readonly metadata: ListMeta
}

/** Upstream writes lists of custom resources with every field there may be. */
const listMetaOf = ({ custom }: Served, { metadata }: EntryList): ListMeta =>
  custom ? { continue: '', ...metadata } : metadata

const listKindOf = ({ custom, resource }: Served): string =>
  custom?.listKind ?? `${resource.kind}List`

/** A list as pieces to be written one after the other. */
export function encodeList(
  served: Served,
  list: EntryList,
  options: EncodeOptions,
): readonly Uint8Array[] {
  const { media } = options
  if (media.as === 'table') {
    const table = tableOf(served, list.entries, options)
    return [encodeTyped({ ...table, metadata: list.metadata } as Typed, media)]
  }
  const head =
    media.as === 'none'
      ? { kind: listKindOf(served), apiVersion: served.apiVersion }
      : { kind: 'PartialObjectMetadataList', apiVersion: `meta.k8s.io/${media.metaVersion}` }
  if (media.encoding === 'protobuf') return [protobufList(served, list, { head, media })]
  if (media.encoding === 'json' && !media.pretty) return jsonList(served, list, { head, media })
  const items = list.entries.map((entry) =>
    media.as === 'none' ? itemOf(served, entry) : partialOf(entry.object, media),
  )
  const metadata = media.as === 'none' ? listMetaOf(served, list) : list.metadata
  return [encodeText({ ...head, metadata, items }, media)]
}

interface ListForm {
  readonly head: { readonly kind: string; readonly apiVersion: string }
  readonly media: Media
}

/** Encodings of items are kept with the entries, under an id that tells them from whole objects. */
function protobufList(served: Served, list: EntryList, { head, media }: ListForm): Buffer {
  const partial = media.as !== 'none'
  const struct = partial ? 'meta.v1.PartialObjectMetadata' : served.resource.struct
  const items = list.entries.map((entry) =>
    entry.encoding(`item ${partial ? '' : served.apiVersion};${media.id}`, () => {
      return encodeMessage(
        struct,
        partial ? partialOf(entry.object, media) : objectOf(served, entry),
      )
    }),
  )
  return encodeProtobufList(head, list.metadata, items)
}

const opening = Buffer.from('{')
const between = Buffer.from(',{')
const comma = Buffer.from(',')
const closing = Buffer.from(']}')

function jsonList(served: Served, list: EntryList, { head, media }: ListForm): Uint8Array[] {
  const metadata = media.as === 'none' ? listMetaOf(served, list) : list.metadata
  const start = JSON.stringify({ ...head, metadata }).slice(0, -1)
  const pieces: Uint8Array[] = [Buffer.from(`${start},"items":[`)]
  const itemMedia = media.as === 'none' ? media : singleOf(media)
  // List items of built-in kinds do not repeat kind and apiVersion, which stand first.
  const bare = media.as === 'none' && !served.custom
  const typed = bare ? typePrefixBytes(served) : 0
  list.entries.forEach((entry, index) => {
    const bytes = encodeCached(served, entry, itemMedia)
    if (bare) pieces.push(index === 0 ? opening : between, bytes.subarray(typed))
    else if (index > 0) pieces.push(comma, bytes)
    else pieces.push(bytes)
  })
  pieces.push(closing)
  return pieces
}

function singleOf(media: Media): Media {
  const id = media.id.replace('metadataList', 'metadata')
  return { ...media, as: 'metadata', id }
}

function itemOf(served: Served, entry: CacheEntry): KubeObject {
  const object = objectOf(served, entry)
  if (served.custom) return object
  const { kind: _, apiVersion: __, ...item } = object
  return item
}

/** Length of `{"kind":"Pod","apiVersion":"v1",`, with which every object begins. */
function typePrefixBytes({ resource, apiVersion }: Served): number {
  return `{"kind":"${resource.kind}","apiVersion":"${apiVersion}",`.length
}
