// ConfigMaps and Secrets that Pods of this node name: each watched once while anybody uses it.
import type { KubeObject, Resource } from '../api/machinery/resource.ts'
import type { Informer, InformerFactory } from '../client/informer.ts'

interface Watched {
  readonly factory: InformerFactory
  readonly informer: Informer<KubeObject>
  readonly users: Set<() => void>
}

/** What one Pod holds on to; let go of it with close(). */
export interface ObjectHolder {
  /** Undefined if there is no such object. Resolves once that is known for certain. */
  get<T extends KubeObject>(
    resource: Resource<T>,
    namespace: string,
    name: string,
  ): Promise<T | undefined>
  close(): void
}

export class ObjectSource {
  readonly #watched = new Map<string, Watched>()
  readonly #makeFactory: () => InformerFactory

  /** Each object gets a factory of its own, so that its watch can end alone. */
  constructor(makeFactory: () => InformerFactory) {
    this.#makeFactory = makeFactory
  }

  /** onChange is called when an object that was asked for changes later. */
  holder(onChange: () => void): ObjectHolder {
    const held = new Set<string>()
    return {
      get: async <T extends KubeObject>(resource: Resource<T>, namespace: string, name: string) => {
        const id = `${resource.plural}/${namespace}/${name}`
        const watched = this.#watch(id, resource as Resource, { namespace, name })
        held.add(id)
        watched.users.add(onChange)
        await watched.informer.whenSynced()
        return watched.informer.get(`${namespace}/${name}`) as T | undefined
      },
      close: () => {
        for (const id of held) this.#release(id, onChange)
        held.clear()
      },
    }
  }

  #watch(id: string, resource: Resource, key: { namespace: string; name: string }): Watched {
    const { namespace, name } = key
    const known = this.#watched.get(id)
    if (known) return known
    const factory = this.#makeFactory()
    const fieldSelector = `metadata.name=${name}`
    const informer = factory.informer<KubeObject>(resource, { namespace, fieldSelector })
    const watched: Watched = { factory, informer, users: new Set() }
    this.#watched.set(id, watched)
    factory.start()
    void informer.whenSynced().then(() => {
      let first = true
      informer.subscribe(() => {
        if (!first) for (const onChange of [...watched.users]) onChange()
      })
      first = false
    })
    return watched
  }

  #release(id: string, onChange: () => void): void {
    const watched = this.#watched.get(id)
    if (!watched) return
    watched.users.delete(onChange)
    if (watched.users.size > 0) return
    watched.factory.stop()
    this.#watched.delete(id)
  }

  close(): void {
    for (const { factory } of this.#watched.values()) factory.stop()
    this.#watched.clear()
  }
}
