// What answer() is given and what it gives: the zone as one server block shows it.
import type { ResourceRecord } from './wire/message.ts'
import type { ZoneIndex } from './zone.ts'

/** The options of the kubernetes plugin that change answers. */
export interface ZoneOptions {
  readonly ttl: number
  readonly pods: 'disabled' | 'insecure' | 'verified'
  readonly endpointPodNames: boolean
  readonly ignoreEmptyService: boolean
  readonly zonal: boolean
  /** Absent: every namespace. */
  readonly namespaces?: ReadonlySet<string>
}

export interface ZoneView {
  readonly index: ZoneIndex
  readonly options: ZoneOptions
  /** The zone asked, lower-case and absolute. */
  readonly origin: string
  readonly reverse: boolean
  /** The forward zone that pointers lead into. */
  readonly primaryOrigin: string
  /** This server's own addresses, by which it finds the Service in front of it. */
  readonly localAddresses: readonly string[]
}

export interface ZoneQuery {
  /** As received; owners are spelled like it. */
  readonly name: string
  readonly lower: string
  readonly type: number
}

export interface ZoneAnswer {
  /** 'nodata': the name exists and has no such records. */
  readonly outcome: 'found' | 'nodata' | 'missing'
  readonly answers: readonly ResourceRecord[]
  readonly additionals: readonly ResourceRecord[]
  /** A name outside the zone that the last answer is an alias of; whose records are to be added. */
  readonly follow?: string
}

const none: readonly ResourceRecord[] = []

export const nodata: ZoneAnswer = { outcome: 'nodata', answers: none, additionals: none }
export const missing: ZoneAnswer = { outcome: 'missing', answers: none, additionals: none }

export function found(
  answers: readonly ResourceRecord[],
  additionals: readonly ResourceRecord[] = none,
): ZoneAnswer {
  return { outcome: 'found', answers, additionals }
}
