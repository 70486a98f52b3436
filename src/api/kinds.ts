// The list of built-in kinds; adding one is adding it here.
import { podKind } from './core/pod.ts'
import { serviceKind } from './core/service.ts'
import type { Kind } from './machinery/kind.ts'

export const kinds: readonly Kind[] = [podKind, serviceKind]

const key = (group: string, version: string, name: string): string => `${group}/${version}/${name}`

const byResource = new Map(
  kinds.map((kind) => [key(kind.resource.group, kind.resource.version, kind.resource.plural), kind]),
)
const byKind = new Map(
  kinds.map((kind) => [key(kind.resource.group, kind.resource.version, kind.resource.kind), kind]),
)

/** The kind served at /apis/GROUP/VERSION/…/PLURAL; undefined if none is built in. */
export const findKindByResource = (
  group: string,
  version: string,
  plural: string,
): Kind | undefined => byResource.get(key(group, version, plural))

/** The kind of an object by its apiVersion and kind, taken apart. */
export const findKind = (group: string, version: string, kind: string): Kind | undefined =>
  byKind.get(key(group, version, kind))
