// For tests: plays controllers against objects held in plain maps, carrying out what they return
// the way an API server would as far as they can see it. No network, no time passes by itself.

import type { KubeObject, Resource } from '../api/machinery/resource.ts'
import type {
  Change,
  Controller,
  EventRecord,
  Failure,
  Snapshot,
  Watch,
} from '../client/controller.ts'
import type { Lister } from '../client/informer.ts'
import { keyOf } from '../client/informer.ts'
import { semanticEqual } from '../lib/equal.ts'
import { nameSuffix, seededRandom } from '../lib/random.ts'

export interface Written {
  readonly type: Change['type']
  readonly resource: string
  readonly name: string
  readonly object?: KubeObject
}

export class Play {
  nowMs = Date.parse('2026-01-01T00:00:00Z')
  readonly events: EventRecord[] = []
  readonly writes: Written[] = []
  /** Refuses a change when it returns an error. */
  refuse: (change: Change) => unknown = () => undefined
  readonly #objects = new Map<string, Map<string, KubeObject>>()
  readonly #random = seededRandom(1)
  #version = 0

  put<T extends KubeObject>(resource: Resource<T>, object: T): T {
    this.#version += 1
    const version = String(this.#version)
    const { metadata } = object
    const name = metadata.name || `${metadata.generateName}${nameSuffix(this.#random)}`
    const stored: T = {
      ...object,
      metadata: {
        creationTimestamp: new Date(this.nowMs).toISOString().replace('.000Z', 'Z'),
        generation: 1,
        ...metadata,
        name,
        uid: metadata.uid ?? `uid-${name}-${version}`,
        resourceVersion: version,
      },
    }
    this.#of(resource).set(keyOf(stored), stored)
    return stored
  }

  remove<T extends KubeObject>(resource: Resource<T>, key: string): void {
    this.#of(resource).delete(key)
  }

  get<T extends KubeObject>(resource: Resource<T>, key: string): T {
    const object = this.#of(resource).get(key)
    if (!object) throw new Error(`no ${resource.plural} "${key}"`)
    return object as T
  }

  list<T extends KubeObject>(resource: Resource<T>): readonly T[] {
    return [...this.#of(resource).values()] as T[]
  }

  /** Runs one key once and returns the writes of this run. */
  run(controller: Controller, key: string, observed?: unknown): readonly Written[] {
    const before = this.writes.length
    const outcome = controller.reconcile(key, this.snapshot(controller), {
      nowMs: this.nowMs,
      random: this.#random,
      observed,
    })
    const failures: Failure[] = []
    for (const step of outcome.changes) {
      failures.push(...this.#carryOut('type' in step ? [step] : step))
      if (failures.length > 0) break
    }
    if (failures.length > 0) {
      for (const step of outcome.failed?.(failures) ?? []) {
        this.#carryOut('type' in step ? [step] : step)
      }
    }
    return this.writes.slice(before)
  }

  /** Runs a key until it writes nothing more; throws when it never settles. */
  settle(controller: Controller, key: string): readonly Written[] {
    const before = this.writes.length
    for (let round = 0; round < 50; round += 1) {
      if (this.run(controller, key).length === 0) return this.writes.slice(before)
    }
    throw new Error(`${controller.name} does not settle on "${key}"`)
  }

  /** Runs all objects of each controller's first resource until nothing more is written. */
  settleAll(controllers: readonly Controller[], afterRound: () => boolean = () => false): void {
    for (let round = 0; round < 500; round += 1) {
      const before = this.writes.length
      for (const controller of controllers) {
        const { resource } = controller.watches[0] as unknown as Watch
        for (const object of this.list(resource)) this.run(controller, keyOf(object))
      }
      const moved = afterRound()
      if (this.writes.length === before && !moved) return
    }
    throw new Error(`${controllers.map(({ name }) => name).join()} never settle`)
  }

  snapshot(controller: Controller): Snapshot {
    const watches = controller.watches as readonly unknown[] as readonly Watch[]
    return {
      of: <T extends KubeObject>(resource: Resource<T>) => {
        const watch = watches.find((candidate) => candidate.resource === (resource as Resource))
        if (!watch) throw new Error(`${controller.name} does not watch ${resource.plural}`)
        return lister(this.#of(resource), watch) as Lister<T>
      },
    }
  }

  #of(resource: Pick<Resource, 'group' | 'plural'>): Map<string, KubeObject> {
    const name = `${resource.group}/${resource.plural}`
    const objects = this.#objects.get(name) ?? new Map<string, KubeObject>()
    this.#objects.set(name, objects)
    return objects
  }

  #carryOut(changes: readonly Change[]): readonly Failure[] {
    const failures: Failure[] = []
    for (const change of changes) {
      const error = this.refuse(change)
      if (error === undefined) this.#apply(change)
      else failures.push({ change, error })
    }
    return failures
  }

  #apply(change: Change): void {
    if (change.done) this.events.push(change.done)
    if (change.type === 'event') {
      this.events.push(change.event)
      return
    }
    this.writes.push({
      type: change.type,
      resource: change.resource.plural + (change.type === 'delete' ? '' : subresourceOf(change)),
      ...this.#store(change),
    })
  }

  #store(change: Write): Pick<Written, 'name' | 'object'> {
    const objects = this.#of(change.resource)
    switch (change.type) {
      case 'create':
        return this.#saved(change, undefined, change.object)
      case 'update': {
        const old = objects.get(keyOf(change.object))
        if (!old) throw new Error(`update of "${keyOf(change.object)}", which is not there`)
        return this.#saved(change, old, change.object)
      }
      case 'patch': {
        const old = objects.get(keyText(change.key))
        if (!old) throw new Error(`patch of "${keyText(change.key)}", which is not there`)
        const merged = mergePatch(old, change.patch.body, change.patch.type === 'strategic')
        return this.#saved(change, old, merged as KubeObject)
      }
      case 'delete':
        this.#delete(change.resource, keyText(change.key), change.options?.gracePeriodSeconds)
        return { name: change.key.name }
      case 'deleteCollection':
        for (const [key, object] of objects) {
          if (object.metadata.namespace === change.namespace) this.#delete(change.resource, key, 0)
        }
        return { name: change.namespace }
    }
  }

  /** Keeps status apart from the rest, and counts generations, as the registry does. */
  #saved(change: Write, old: KubeObject | undefined, object: KubeObject) {
    const isStatus = subresourceOf(change) === '/status'
    const status = isStatus || !old ? statusOf(object) : statusOf(old)
    // Most kinds let a status write change annotations too.
    const { annotations } = object.metadata
    const kept = old && {
      ...old,
      metadata: { ...old.metadata, ...(annotations && { annotations }) },
    }
    const body = isStatus && kept ? kept : object
    const grown = old && !isStatus && !semanticEqual(specOf(old), specOf(object)) ? 1 : 0
    const { generation, uid, creationTimestamp } = old?.metadata ?? {}
    const metadata = old
      ? { ...body.metadata, uid, creationTimestamp, generation: (generation ?? 1) + grown }
      : body.metadata
    const stored = this.put(change.resource, {
      ...body,
      metadata,
      ...(status === undefined ? {} : { status }),
    } as KubeObject)
    return { name: stored.metadata.name, object: stored }
  }

  /** A Pod that runs somewhere, and what has finalizers, only begins to end. */
  #delete(resource: Resource, key: string, grace: number | undefined): void {
    const object = this.#of(resource).get(key)
    if (!object) return
    const runs =
      resource.plural === 'pods' && grace !== 0 && 'spec' in object && nodeOf(object) !== ''
    if (!runs && !object.metadata.finalizers?.length) {
      this.#of(resource).delete(key)
      return
    }
    const deletionTimestamp = new Date(this.nowMs).toISOString()
    this.put(resource, { ...object, metadata: { ...object.metadata, deletionTimestamp } })
  }
}

type Write = Exclude<Change, { readonly type: 'event' }>

const subresourceOf = (change: Write): string =>
  'subresource' in change && change.subresource ? `/${change.subresource}` : ''

const keyText = ({ namespace, name }: { namespace?: string | undefined; name: string }): string =>
  namespace ? `${namespace}/${name}` : name

const statusOf = (object: KubeObject): unknown => (object as { status?: unknown }).status
const specOf = (object: KubeObject): unknown => (object as { spec?: unknown }).spec
const nodeOf = (object: KubeObject): string =>
  (object as { spec?: { nodeName?: string } }).spec?.nodeName ?? ''

/** RFC 7386; a strategic patch merges lists of conditions by type besides. */
function mergePatch(old: unknown, patch: unknown, strategic: boolean): unknown {
  if (strategic && Array.isArray(old) && Array.isArray(patch)) return mergeByType(old, patch)
  if (patch === null || typeof patch !== 'object' || Array.isArray(patch)) return patch
  const result: Record<string, unknown> = {
    ...(old && typeof old === 'object' && !Array.isArray(old) ? old : {}),
  }
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key]
    else result[key] = mergePatch(result[key], value, strategic)
  }
  return result
}

function mergeByType(old: readonly unknown[], patch: readonly unknown[]): readonly unknown[] {
  const typeOf = (item: unknown) => (item as { type?: string }).type
  const patched = old.map((item) => ({
    ...(item as object),
    ...(patch.find((candidate) => typeOf(candidate) === typeOf(item)) as object | undefined),
  }))
  const known = old.map(typeOf)
  return [...patched, ...patch.filter((item) => !known.includes(typeOf(item)))]
}

function lister(objects: ReadonlyMap<string, KubeObject>, watch: Watch): Lister<KubeObject> {
  const all = [...objects.values()]
  return {
    get: (key) => objects.get(key),
    list: (namespace) =>
      namespace === undefined
        ? all
        : all.filter(({ metadata }) => metadata.namespace === namespace),
    byIndex(index, value) {
      const valuesOf = watch.indexes?.[index]
      if (!valuesOf) throw new Error(`no index "${index}" on ${watch.resource.plural}`)
      return all.filter((object) => valuesOf(object).includes(value))
    },
  }
}
