// One stored object at one revision, with everything that is worked out from its bytes at most once.
import type { KubeObject } from '../api/machinery/resource.ts'

const uidBytes = 36
const uidKey = Buffer.from('"uid":"')
const metadataKey = Buffer.from('"metadata":{')

/**
 * What is stored lacks the resourceVersion: it is only known when the commit is made. It goes in
 * after the uid, which the registry writes before any text of the user's choosing (stored.ts).
 */
export function withResourceVersion(stored: Uint8Array, revision: number): Buffer {
  const bytes = Buffer.from(stored.buffer, stored.byteOffset, stored.byteLength)
  const uidAt = bytes.indexOf(uidKey)
  const text = `"resourceVersion":"${revision}"`
  if (uidAt >= 0) {
    const at = uidAt + uidKey.length + uidBytes + 1
    return Buffer.concat([bytes.subarray(0, at), Buffer.from(`,${text}`), bytes.subarray(at)])
  }
  const at = bytes.indexOf(metadataKey) + metadataKey.length
  return Buffer.concat([bytes.subarray(0, at), Buffer.from(`${text},`), bytes.subarray(at)])
}

export class CacheEntry {
  /** "namespace/name", or "name". */
  readonly key: string
  readonly revision: number
  readonly #stored: Uint8Array
  #json: Buffer | undefined
  #parsed: WeakRef<KubeObject> | undefined
  #labels: Readonly<Record<string, string>> | undefined
  #fields: Map<string, string> | undefined
  #encodings: Map<string, Buffer> | undefined

  constructor(key: string, stored: Uint8Array, revision: number) {
    this.key = key
    this.#stored = stored
    this.revision = revision
  }

  /** The bytes in the store. */
  get stored(): Uint8Array {
    return this.#stored
  }

  /** The object as JSON, complete. Revision 0 is that of a dry run, which has none. */
  get json(): Buffer {
    this.#json ??=
      this.revision === 0
        ? Buffer.from(this.#stored)
        : withResourceVersion(this.#stored, this.revision)
    return this.#json
  }

  /** Parsed; shared, so never written to. */
  get object(): KubeObject {
    const known = this.#parsed?.deref()
    if (known) return known
    const object: KubeObject = JSON.parse(this.json.toString())
    this.#parsed = new WeakRef(object)
    return object
  }

  get namespace(): string {
    const slash = this.key.indexOf('/')
    return slash < 0 ? '' : this.key.slice(0, slash)
  }

  get name(): string {
    return this.key.slice(this.key.indexOf('/') + 1)
  }

  get labels(): Readonly<Record<string, string>> {
    this.#labels ??= this.object.metadata.labels ?? {}
    return this.#labels
  }

  /** A value worked out of the object once and kept, for field selectors. */
  field(label: string, read: (object: KubeObject) => string): string {
    this.#fields ??= new Map()
    let value = this.#fields.get(label)
    if (value === undefined) {
      value = read(this.object)
      this.#fields.set(label, value)
    }
    return value
  }

  /** An encoding other than plain JSON, made once. */
  encoding(id: string, encode: (entry: CacheEntry) => Buffer): Buffer {
    this.#encodings ??= new Map()
    let bytes = this.#encodings.get(id)
    if (bytes === undefined) {
      bytes = encode(this)
      this.#encodings.set(id, bytes)
    }
    return bytes
  }

  /** Lets go of what can be made again: few ask for an object that was replaced. */
  release(): void {
    this.#json = undefined
    this.#encodings = undefined
  }

  /** The same object as of another revision: what a DELETED event carries. */
  at(revision: number): CacheEntry {
    return revision === this.revision ? this : new CacheEntry(this.key, this.#stored, revision)
  }
}
