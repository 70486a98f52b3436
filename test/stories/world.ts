// The world of a story: a cluster in memory, its DNS zone as cluster DNS would fold it, and names for
// what has a random one.

import type { KubeObject } from '../../src/api/machinery/resource.ts'
import { endpointslices, namespaces, pods, services } from '../../src/api/resources.gen.ts'
import type { Service } from '../../src/api/types/core.gen.ts'
import type { Informer } from '../../src/client/informer.ts'
import { keyOf } from '../../src/client/informer.ts'
import { createInformers } from '../../src/client/informers.ts'
import { answer } from '../../src/dns/answer.ts'
import { reverseName } from '../../src/dns/wire/address.ts'
import { parseType, RCODE, TYPE } from '../../src/dns/wire/codes.ts'
import { formatRecord } from '../../src/dns/wire/text.ts'
import { Zone } from '../../src/dns/zone.ts'
import type { ZoneView } from '../../src/dns/zone-view.ts'
import type { TestCluster, TestClusterConfig } from '../../src/testkit/testkit.ts'
import { startTestCluster } from '../../src/testkit/testkit.ts'

export interface World {
  readonly cluster: TestCluster
  /** What is random in a text replaced by names that stay. */
  shown(text: string): string
  /** The other way round: "web-abc-~a" to the Pod it stands for. */
  meant(name: string): string
  dig(type: string, name: string): string
  stop(): Promise<void>
}

export async function startWorld(config: TestClusterConfig): Promise<World> {
  const cluster = await startTestCluster(config)
  const informers = createInformers(cluster)
  const names = new Names()
  const zone = followZone(cluster, informers, names)
  informers.start()
  await cluster.settle()
  return {
    cluster,
    shown: (text) => names.shown(text),
    meant: (name) => names.meant(name),
    dig: (type, name) => dig(zone, type, name),
    async stop() {
      informers.stop()
      await cluster.stop()
    },
  }
}

type Informers = ReturnType<typeof createInformers>

function followZone({ clock }: TestCluster, informers: Informers, names: Names): Zone {
  const zone = new Zone(clock.now())
  const follow = <T extends KubeObject>(
    informer: Informer<T>,
    set: (object: T) => void,
    drop: (key: string) => void,
  ) =>
    informer.subscribe(({ type, object }) => {
      if (type === 'deleted') drop(keyOf(object))
      else set(object)
    })
  follow(
    informers.informer(services),
    (service) => {
      names.noteService(service)
      zone.setService(service, clock.now())
    },
    (key) => zone.deleteService(key, clock.now()),
  )
  follow(
    informers.informer(endpointslices),
    (slice) => {
      names.note(slice)
      zone.setSlice(slice, clock.now())
    },
    (key) => zone.deleteSlice(key, clock.now()),
  )
  follow(
    informers.informer(namespaces),
    (namespace) => zone.setNamespace(namespace),
    (key) => zone.deleteNamespace(key),
  )
  follow(
    informers.informer(pods),
    (pod) => names.note(pod),
    () => {},
  )
  return zone
}

/** As cluster DNS with its default Corefile: the forward zone and both reverse ones. */
function dig(zone: Zone, typeName: string, asked: string): string {
  const type = parseType(typeName)
  if (type === undefined) throw new Error(`no record type "${typeName}"`)
  const plain = type === TYPE.PTR && /^[\d.]+$|:/.test(asked) ? reverseName(asked) : asked
  const name = plain.endsWith('.') ? plain : `${plain}.`
  const lower = name.toLowerCase()
  const reverse = lower.endsWith('.arpa.')
  const view: ZoneView = {
    index: zone,
    options: {
      ttl: 5,
      pods: 'insecure',
      endpointPodNames: false,
      ignoreEmptyService: false,
      zonal: false,
    },
    origin: reverse ? (lower.endsWith('in-addr.arpa.') ? 'in-addr.arpa.' : 'ip6.arpa.') : origin,
    reverse,
    primaryOrigin: origin,
    localAddresses: [],
  }
  const { outcome, answers, additionals, follow } = answer(view, { name, lower, type })
  const rcode = outcome === 'missing' ? RCODE.NXDOMAIN : RCODE.NOERROR
  return [
    rcode === RCODE.NXDOMAIN ? 'NXDOMAIN' : 'NOERROR',
    ...answers.map(formatRecord).sort(byNumbers),
    ...(additionals.length > 0 ? [';; ADDITIONAL'] : []),
    ...additionals.map(formatRecord).sort(byNumbers),
    ...(follow ? [`;; upstream is asked for ${follow}`] : []),
  ].join('\n')
}

const origin = 'cluster.local.'
const collator = new Intl.Collator('en', { numeric: true })
const byNumbers = (one: string, other: string): number => collator.compare(one, other)

/** Addresses and node ports that people write into manifests; allocation avoids both ranges. */
const writtenAddress = /^10\.96\.0\.\d+$|^fd00:10:96::[\da-f]{0,2}$/
const lastWrittenNodePort = 30_085

/**
 * Names that stay from run to run: generated ones by order of creation ("web-6b5c-~a"), ClusterIPs and
 * node ports that were allocated by their Service ("<ClusterIP of web>").
 */
class Names {
  readonly #alias = new Map<string, string>()
  readonly #name = new Map<string, string>()
  readonly #counts = new Map<string, number>()

  note({ metadata }: KubeObject): void {
    const { generateName, name, ownerReferences } = metadata
    const ordinal = ownerReferences?.some(({ kind }) => kind === 'StatefulSet')
    if (!generateName || ordinal || this.#alias.has(name)) return
    const count = this.#counts.get(generateName) ?? 0
    this.#counts.set(generateName, count + 1)
    this.#put(name, `${generateName}~${String.fromCodePoint(97 + count)}`)
  }

  noteService({ metadata: { namespace, name }, spec }: Service): void {
    const own = namespace === 'default' ? name : `${namespace}/${name}`
    for (const ip of spec.clusterIPs ?? []) {
      if (ip === 'None' || ip === '' || writtenAddress.test(ip)) continue
      this.#put(ip, `<${ip.includes(':') ? 'IPv6' : 'ClusterIP'} of ${own}>`)
    }
    for (const { nodePort } of spec.ports ?? []) {
      if (nodePort && nodePort > lastWrittenNodePort)
        this.#put(String(nodePort), `<nodePort of ${own}>`)
    }
  }

  shown(text: string): string {
    let shown = text
    for (const [name, alias] of this.#alias) shown = shown.replaceAll(name, alias)
    return shown
  }

  meant(name: string): string {
    return this.#name.get(name) ?? name
  }

  #put(name: string, alias: string): void {
    this.#alias.set(name, alias)
    this.#name.set(alias, name)
  }
}
