// Custom resources come and go with their definitions: names are accepted, versions served, and
// when a definition is deleted its objects go before it does. What a schema needs is loaded with the
// first definition; a cluster without one pays nothing.

import type { Draft } from '../../api/machinery/draft.ts'
import type { KubeObject, Resource } from '../../api/machinery/resource.ts'
import { isReason } from '../../api/machinery/status.ts'
import type { Json } from '../../api/openapi/openapi.ts'
import { customresourcedefinitions } from '../../api/resources.gen.ts'
import type { CustomResourceDefinition } from '../../api/types/apiextensions.gen.ts'
import { formatTime } from '../../lib/clock.ts'
import type { Logger } from '../../lib/log.ts'
import { deleteObject } from '../delete.ts'
import { ownScope } from '../kubernetes-service.ts'
import type { Served } from '../served.ts'
import type { Serving } from '../serving.ts'
import { storagePrefix } from '../stored.ts'
import { track, trackingOf, writtenOut } from '../tracking.ts'
import { updateObject } from '../update.ts'
import type { WriterDeps } from '../writer.ts'
import { ownManager } from '../writer.ts'

export interface DefinitionsDeps {
  readonly registry: WriterDeps
  readonly serving: Serving
  readonly log: Logger
  /** What is served has changed. */
  onServed(customSchema: (resource: Resource) => Json | undefined): void
}

export interface Definitions {
  /** Settles when everything stored is served. */
  ready(): Promise<void>
  stop(): void
}

type Parts = Pick<typeof import('./kind.ts'), 'kindsOf'> &
  typeof import('../../api/apiextensions/conditions.ts') &
  Pick<typeof import('./openapi.ts'), 'publishedSchema'>

/** Objects with finalizers take their time; so long until they are looked at again. */
const retryMs = 500

export function startDefinitions(deps: DefinitionsDeps): Definitions {
  const follower = new Follower(deps)
  return { ready: () => follower.follow(), stop: () => follower.stop() }
}

interface Shown {
  /** Of what its kinds were made. */
  readonly id: string
  readonly group: string
  readonly plural: string
}

class Follower {
  readonly #deps: DefinitionsDeps
  readonly #shown = new Map<string, Shown>()
  readonly #schemas = new Map<string, Json | undefined>()
  readonly #unlisten: () => void
  #parts: Promise<Parts> | undefined
  #running: Promise<void> | undefined
  #again = false
  #stopped = false
  #timer: { cancel(): void } | undefined

  constructor(deps: DefinitionsDeps) {
    this.#deps = deps
    const { cache } = deps.serving.stored(customresourcedefinitions)
    this.#unlisten = cache.listen('', {
      onEvent: () => void this.follow(),
      onEnd: () => {},
    })
  }

  stop(): void {
    this.#stopped = true
    this.#timer?.cancel()
    this.#unlisten()
  }

  /** Brings what is served in line with what is stored; one pass at a time. */
  follow(): Promise<void> {
    this.#again = true
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined
    })
    return this.#running
  }

  async #run(): Promise<void> {
    while (this.#again && !this.#stopped) {
      this.#again = false
      try {
        await this.#pass()
      } catch (error) {
        if (this.#stopped) return
        this.#deps.log.warn('custom resources could not be brought up to date', { error })
        this.#later()
      }
    }
  }

  #later(): void {
    if (this.#stopped) return
    this.#timer?.cancel()
    this.#timer = this.#deps.registry.clock.after(retryMs, () => void this.follow())
  }

  #definitions(): readonly CustomResourceDefinition[] {
    const { cache } = this.#deps.serving.stored(customresourcedefinitions)
    return cache.list('').map((entry) => entry.object as CustomResourceDefinition)
  }

  async #pass(): Promise<void> {
    const all = this.#definitions()
    if (all.length === 0 && this.#shown.size === 0) return
    this.#parts ??= loadParts()
    const parts = await this.#parts
    for (const crd of all) await this.#settle(parts, crd, all)
    this.#serve(parts, this.#definitions())
    for (const crd of this.#definitions()) {
      const { deletionTimestamp, finalizers = [] } = crd.metadata
      const ours = finalizers.includes(parts.cleanupFinalizer)
      if (deletionTimestamp !== undefined && ours) await this.#remove(parts, crd)
    }
  }

  async #settle(
    parts: Parts,
    crd: CustomResourceDefinition,
    all: readonly CustomResourceDefinition[],
  ): Promise<void> {
    if (crd.metadata.deletionTimestamp !== undefined) return
    const now = () => formatTime(this.#deps.registry.clock.now())
    if (parts.sameStatus(crd.status, parts.statusOf(crd, all, now()))) return
    await this.#write(crd, (draft, live) => {
      draft.status = parts.statusOf(live, this.#definitions(), now()) as typeof draft.status
    })
  }

  /** Changes a definition as the server itself; one that is gone meanwhile is nobody's loss. */
  async #write(
    { metadata }: CustomResourceDefinition,
    change: (draft: Draft<CustomResourceDefinition>, live: CustomResourceDefinition) => void,
  ): Promise<void> {
    const { registry } = this.#deps
    const own = ownScope(registry, customresourcedefinitions, {
      namespace: '',
      name: metadata.name,
    })
    const scope = { ...own, subresource: 'status' }
    const transform = (live: KubeObject): Draft<KubeObject> => {
      const next = writtenOut(scope.served, live)
      change(next as unknown as Draft<CustomResourceDefinition>, live as CustomResourceDefinition)
      const writer = { manager: ownManager, subresource: 'status', nowMs: registry.clock.now() }
      track(live, next, trackingOf(scope.served, writer))
      return next
    }
    try {
      await updateObject(registry, scope, { transform, direct: true })
    } catch (error) {
      if (!isReason(error, 'NotFound')) throw error
    }
  }

  #serve(parts: Parts, all: readonly CustomResourceDefinition[]): void {
    let changed = false
    const gone = new Set(this.#shown.keys())
    for (const crd of all) {
      if (!parts.isTrue(crd, 'Established')) continue
      const { uid, generation, name, deletionTimestamp } = crd.metadata
      const names = JSON.stringify(crd.status?.acceptedNames)
      const id = [uid, generation, deletionTimestamp ?? '', names].join(' ')
      gone.delete(name)
      if (this.#shown.get(name)?.id === id) continue
      this.#show(parts, crd, id)
      changed = true
    }
    for (const name of gone) {
      const shown = this.#shown.get(name)
      if (shown) this.#deps.serving.serveCustom(shown, [])
      this.#shown.delete(name)
      changed = true
    }
    if (changed) this.#deps.onServed((resource) => this.#schemas.get(schemaId(resource)))
  }

  #show(parts: Parts, crd: CustomResourceDefinition, id: string): void {
    const { group, names } = crd.spec
    const { plural } = crd.status?.acceptedNames ?? names
    const cache = this.#deps.registry.cache.storage(storagePrefix({ group, plural, struct: '' }))
    const served = parts.kindsOf(crd).map(({ resource, kind, custom, schema }) => {
      this.#schemas.set(schemaId(resource), parts.publishedSchema(schema, resource))
      const one = { resource, kind, custom, cache, apiVersion: `${group}/${resource.version}` }
      const made = one as { -readonly [Key in keyof Served]: Served[Key] }
      made.stored = made
      return made
    })
    cache.forgetEncodings()
    this.#deps.serving.serveCustom({ group, plural }, served)
    this.#shown.set(crd.metadata.name, { id, group, plural })
  }

  /** First the objects, then the finalizer, and the definition with it. */
  async #remove(parts: Parts, crd: CustomResourceDefinition): Promise<void> {
    const { registry, serving } = this.#deps
    const { group } = crd.spec
    const { plural } = crd.status?.acceptedNames ?? crd.spec.names
    const served = serving.findCustom(group, plural)
    if (served) {
      for (const { namespace, name } of served.cache.list('')) {
        const own = ownScope(registry, customresourcedefinitions, { namespace, name })
        await deleteObject(registry, { ...own, served, namespace, name }, {}).catch(ignoreGone)
      }
      if (served.cache.list('').length > 0) {
        await this.#progress(parts, crd)
        return this.#later()
      }
    }
    await this.#write(crd, (draft) => {
      const { metadata } = draft
      const left = (metadata.finalizers ?? []).filter((one) => one !== parts.cleanupFinalizer)
      if (left.length > 0) metadata.finalizers = left
      else delete metadata.finalizers
    })
  }

  async #progress(parts: Parts, crd: CustomResourceDefinition): Promise<void> {
    const { reason } = parts.findCondition(crd, 'Terminating') ?? {}
    if (reason === parts.deletionInProgress.reason) return
    const now = formatTime(this.#deps.registry.clock.now())
    await this.#write(crd, (draft, live) => {
      const status = parts.withCondition(live.status ?? {}, parts.deletionInProgress, now)
      draft.status = status as typeof draft.status
    })
  }
}

const schemaId = ({ group, version, plural }: Resource): string => `${group}/${version}/${plural}`

function ignoreGone(error: unknown): void {
  if (!isReason(error, 'NotFound')) throw error
}

async function loadParts(): Promise<Parts> {
  const [kind, conditions, openapi] = await Promise.all([
    import('./kind.ts'),
    import('../../api/apiextensions/conditions.ts'),
    import('./openapi.ts'),
  ])
  return { ...conditions, kindsOf: kind.kindsOf, publishedSchema: openapi.publishedSchema }
}
