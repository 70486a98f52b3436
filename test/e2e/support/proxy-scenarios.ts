// Real packets through the proxy's rules. Run in a fresh network namespace, as root there; prints
// one JSON object {name, error?} for each scenario. test/e2e/proxy.test.ts starts it and reports.
import assert from 'node:assert/strict'
import { endpointslices } from '../../../src/api/resources.gen.ts'
import { systemClock } from '../../../src/lib/clock.ts'
import { createLogger } from '../../../src/lib/log.ts'
import { systemRandom } from '../../../src/lib/random.ts'
import { openNftables } from '../../../src/linux/nftables/apply.ts'
import { diffTables } from '../../../src/linux/nftables/diff.ts'
import { type Proxy, startProxy } from '../../../src/proxy/proxy.ts'
import { FakeApi } from './fake-api.ts'
import {
  makeNode,
  makeOutsider,
  makePod,
  nodeIP,
  nodeIPv6,
  Peer,
  podCIDR,
  podCIDRv6,
  serviceCIDR,
  serviceCIDRv6,
} from './network.ts'

const ports = ['8080', 'dns:8080/UDP']
const refused = 'ECONNREFUSED'
const silent = 'timeout'

interface World {
  readonly api: FakeApi
  readonly proxy: Proxy
  readonly pods: readonly { peer: Peer; ip: string; ipv6: string }[]
  readonly host: Peer
  readonly outsider: Peer
  /** Everything told so far is in the kernel. */
  settle(): Promise<void>
}

type Scenario = (world: World) => Promise<void>

const nftablesScenarios: Readonly<Record<string, Scenario>> = {
  'a ClusterIP answers a Pod, which keeps its address': async ({ api, pods, settle }) => {
    api.putService('web', '10.96.0.10', ['80'])
    api.putSlice('web', ['8080'], [pods[1]!.ip])
    await settle()
    assert.equal(await pods[0]!.peer.dial('10.96.0.10', 80), `p2 ${pods[0]!.ip}`)
  },
  'a ClusterIP answers a process of the node': async ({ api, pods, host, settle }) => {
    api.putService('web', '10.96.0.10', ['80'])
    api.putSlice('web', ['8080'], [pods[1]!.ip])
    await settle()
    assert.equal(await host.dial('10.96.0.10', 80), `p2 ${nodeIP}`)
  },
  'a ClusterIP spreads connections over its endpoints': async ({ api, pods, settle }) => {
    api.putService('web', '10.96.0.10', ['80'])
    api.putSlice(
      'web',
      ['8080'],
      pods.slice(1).map(({ ip }) => ip),
    )
    await settle()
    const counts = await pods[0]!.peer.spread('10.96.0.10', 80, 300)
    assert.deepEqual(Object.keys(counts).sort(), ['p2', 'p3', 'p4'])
    // Chi-squared with two degrees of freedom; 1 in 100 000 runs is above 23.
    const chi = Object.values(counts).reduce((sum, count) => sum + (count - 100) ** 2 / 100, 0)
    assert.ok(chi < 23, `chi-squared ${chi}: ${JSON.stringify(counts)}`)
  },
  'UDP answers from the ClusterIP': async ({ api, pods, settle }) => {
    api.putService('web', '10.96.0.10', ['80', 'dns:53/UDP'])
    api.putSlice('web', ports, [pods[1]!.ip])
    await settle()
    assert.equal(await pods[0]!.peer.dial('10.96.0.10', 53, 'udp'), `p2 ${pods[0]!.ip}`)
  },
  'IPv6: ClusterIP, hairpin, no endpoints': async ({ api, pods, settle }) => {
    api.putService('six', 'fd00:96::10', ['80'])
    api.putSlice('six', ['8080'], [pods[1]!.ipv6], 'IPv6')
    api.putService('none6', 'fd00:96::11', ['80'])
    await settle()
    assert.equal(await pods[0]!.peer.dial('fd00:96::10', 80), `p2 ${pods[0]!.ipv6}`)
    assert.equal(await pods[1]!.peer.dial('fd00:96::10', 80), `p2 ${nodeIPv6}`)
    assert.equal(await pods[0]!.peer.dial('fd00:96::11', 80), refused)
  },
  'a Pod reaches itself through its own Service': async ({ api, pods, settle }) => {
    api.putService('web', '10.96.0.10', ['80'])
    api.putSlice('web', ['8080'], [pods[0]!.ip])
    await settle()
    assert.equal(await pods[0]!.peer.dial('10.96.0.10', 80), `p1 ${nodeIP}`)
  },
  'a NodePort answers from everywhere; strangers are masqueraded': async (world) => {
    const { api, pods, host, outsider, settle } = world
    api.putService('web', '10.96.0.10', ['80@30080'])
    api.putSlice('web', ['8080'], [pods[1]!.ip])
    await settle()
    assert.equal(await outsider.dial(nodeIP, 30080), `p2 ${nodeIP}`)
    assert.equal(await pods[0]!.peer.dial(nodeIP, 30080), `p2 ${nodeIP}`)
    assert.equal(await host.dial(nodeIP, 30080), `p2 ${nodeIP}`)
    assert.equal(await pods[1]!.peer.dial(nodeIP, 30080), `p2 ${nodeIP}`)
    assert.equal(await outsider.dial('203.0.113.1', 30080), refused, 'not the primary address')
  },
  'without endpoints every client is refused, until there is one': async (world) => {
    const { api, pods, host, outsider, settle } = world
    api.putService('web', '10.96.0.10', ['80@30080', 'dns:53/UDP'])
    api.putSlice('web', ports, [])
    await settle()
    assert.equal(await pods[0]!.peer.dial('10.96.0.10', 80), refused)
    assert.equal(await host.dial('10.96.0.10', 80), refused)
    assert.equal(await outsider.dial('10.96.0.10', 80), refused)
    assert.equal(await outsider.dial(nodeIP, 30080), refused)
    assert.equal(await host.dial(nodeIP, 30080), refused)
    assert.equal(await pods[0]!.peer.dial('10.96.0.10', 53, 'udp'), refused)
    api.putSlice('web', ports, [pods[1]!.ip])
    await settle()
    assert.equal(await pods[0]!.peer.dial('10.96.0.10', 80), `p2 ${pods[0]!.ip}`)
  },
  'an undefined port is refused, an unallocated address is silent': async (world) => {
    const { api, pods, settle } = world
    api.putService('web', '10.96.0.10', ['80'])
    api.putSlice('web', ['8080'], [pods[1]!.ip])
    await settle()
    assert.equal(await pods[0]!.peer.dial('10.96.0.10', 81), refused)
    assert.equal(await pods[0]!.peer.dial('10.96.0.99', 80), silent)
    api.removeService('web')
    await settle()
    assert.equal(await pods[0]!.peer.dial('10.96.0.10', 80), silent)
  },
  'an open connection survives the loss of its endpoint and its Service': async (world) => {
    const { api, pods, settle } = world
    api.putService('web', '10.96.0.10', ['80'])
    api.putSlice('web', ['8080'], [pods[1]!.ip])
    await settle()
    const { peer } = pods[0]!
    await peer.ask({ do: 'open', protocol: 'tcp', id: 'a', host: '10.96.0.10', port: 80 })
    api.putSlice('web', ['8080'], [])
    await settle()
    assert.equal(await peer.dial('10.96.0.10', 80), refused)
    assert.equal((await peer.ask({ do: 'say', id: 'a' })).line, `p2 ${pods[0]!.ip}`)
    api.removeService('web')
    await settle()
    assert.equal((await peer.ask({ do: 'say', id: 'a' })).line, `p2 ${pods[0]!.ip}`)
  },
  'a UDP socket follows when its endpoint goes, and resumes after none': async (world) => {
    const { api, pods, settle } = world
    const udp = ['dns:8080/UDP']
    api.putService('dns', '10.96.0.53', ['dns:53/UDP'])
    api.putSlice('dns', udp, [pods[1]!.ip])
    await settle()
    const { peer } = pods[0]!
    const say = async () => {
      const answer = await peer.ask({ do: 'say', id: 'u', timeoutMs: 500 })
      return answer.line ?? answer.error
    }
    await peer.ask({ do: 'open', protocol: 'udp', id: 'u', host: '10.96.0.53', port: 53 })
    assert.equal(await say(), `p2 ${pods[0]!.ip}`)
    api.putSlice('dns', udp, [pods[2]!.ip])
    await settle()
    assert.equal(await say(), `p3 ${pods[0]!.ip}`)
    api.putSlice('dns', udp, [])
    await settle()
    assert.equal(await say(), silent)
    api.putSlice('dns', udp, [pods[3]!.ip])
    await settle()
    assert.equal(await say(), `p4 ${pods[0]!.ip}`)
    // Terminating but serving: existing flows stay.
    api.putSlice('dns', udp, [
      pods[2]!.ip,
      { addresses: [pods[3]!.ip], conditions: { ready: false, serving: true, terminating: true } },
    ])
    await settle()
    assert.equal(await say(), `p4 ${pods[0]!.ip}`)
  },
  'session affinity keeps a client with its endpoint, until that goes': async (world) => {
    const { api, pods, settle } = world
    const { peer } = pods[0]!
    const affine = { sessionAffinity: 'ClientIP' } as const
    api.putService('web', '10.96.0.10', ['80'], affine)
    api.putSlice(
      'web',
      ['8080'],
      pods.slice(1).map(({ ip }) => ip),
    )
    await settle()
    const counts = await peer.spread('10.96.0.10', 80, 30)
    assert.equal(Object.keys(counts).length, 1, JSON.stringify(counts))
    const first = Object.keys(counts)[0]!
    const rest = pods.slice(1).filter((_, index) => `p${index + 2}` !== first)
    api.putSlice(
      'web',
      ['8080'],
      rest.map(({ ip }) => ip),
    )
    await settle()
    const moved = await peer.spread('10.96.0.10', 80, 20)
    assert.equal(Object.keys(moved).length, 1, JSON.stringify(moved))
    assert.notEqual(Object.keys(moved)[0], first)
    api.putService('web', '10.96.0.10', ['80'])
    await settle()
    assert.equal(Object.keys(await peer.spread('10.96.0.10', 80, 60)).length, 2)
  },
  'affinity at a NodePort and its time-out': async ({ api, pods, outsider, settle }) => {
    api.putService('web', '10.96.0.10', ['80@30080'], {
      sessionAffinity: 'ClientIP',
      sessionAffinityConfig: { clientIP: { timeoutSeconds: 1 } },
    })
    api.putSlice(
      'web',
      ['8080'],
      pods.slice(1).map(({ ip }) => ip),
    )
    await settle()
    assert.equal(Object.keys(await outsider.spread(nodeIP, 30080, 20)).length, 1)
    const seen = new Set<string>()
    for (let round = 0; round < 12 && seen.size < 2; round++) {
      seen.add((await outsider.dial(nodeIP, 30080)).split(' ')[0]!)
      await systemClock.sleep(1600)
    }
    assert.ok(seen.size > 1, 'the record never ran out')
  },
  'externalTrafficPolicy Local keeps the source and stays on the node': async (world) => {
    const { api, pods, host, outsider, settle } = world
    const local = { type: 'LoadBalancer', externalTrafficPolicy: 'Local' } as const
    api.putService('web', '10.96.0.10', ['80@30080'], local)
    api.putSlice('web', ['8080'], [pods[1]!.ip, remote(pods[2]!.ip)])
    await settle()
    assert.deepEqual(await outsider.spread(nodeIP, 30080, 20), { p2: 20 })
    assert.equal(await outsider.dial(nodeIP, 30080), 'p2 203.0.113.9')
    api.putSlice('web', ['8080'], [remote(pods[2]!.ip)])
    await settle()
    assert.equal(await outsider.dial(nodeIP, 30080), silent)
    assert.equal(await pods[0]!.peer.dial(nodeIP, 30080), `p3 ${pods[0]!.ip}`)
    assert.equal(await host.dial(nodeIP, 30080), `p3 ${nodeIP}`)
    api.putSlice('web', ['8080'], [])
    await settle()
    assert.equal(await outsider.dial(nodeIP, 30080), refused)
  },
  'internalTrafficPolicy Local': async ({ api, pods, host, outsider, settle }) => {
    api.putService('web', '10.96.0.10', ['80@30080'], { internalTrafficPolicy: 'Local' })
    api.putSlice('web', ['8080'], [pods[1]!.ip, remote(pods[2]!.ip)])
    await settle()
    assert.deepEqual(await pods[0]!.peer.spread('10.96.0.10', 80, 20), { p2: 20 })
    api.putSlice('web', ['8080'], [remote(pods[2]!.ip)])
    await settle()
    assert.equal(await pods[0]!.peer.dial('10.96.0.10', 80), silent)
    assert.equal(await host.dial('10.96.0.10', 80), silent)
    assert.equal(await outsider.dial(nodeIP, 30080), `p3 ${nodeIP}`)
  },
  'externalIPs, load balancer addresses and source ranges': async (world) => {
    const { api, pods, outsider, settle } = world
    api.putService('web', '10.96.0.10', ['80'], { externalIPs: ['198.51.100.7'] })
    api.putSlice('web', ['8080'], [pods[1]!.ip])
    await settle()
    assert.equal(await outsider.dial('198.51.100.7', 80), `p2 ${nodeIP}`)
    api.putService('web', '10.96.0.10', ['80'], {
      type: 'LoadBalancer',
      loadBalancerSourceRanges: [' 203.0.113.10/32 '],
    })
    // Status is not in putService's spec: it is what a load balancer's controller writes.
    api.put(world.api.informers.informer(servicesResource).resource, {
      ...world.api.informers.informer(servicesResource).get('test/web')!,
      status: { loadBalancer: { ingress: [{ ip: '198.51.100.20' }] } },
    })
    await settle()
    assert.equal(await outsider.dial('198.51.100.7', 80), 'ENETUNREACH', 'no such externalIP')
    assert.equal(await outsider.dial('198.51.100.20', 80), silent)
    assert.equal(await pods[0]!.peer.dial('198.51.100.20', 80), silent)
    const allowed = await outsider.ask({
      do: 'dial',
      protocol: 'tcp',
      host: '198.51.100.20',
      port: 80,
      source: '203.0.113.10',
    })
    assert.equal(allowed.line, `p2 ${nodeIP}`)
  },
  'an endpoint on the node itself is reached by Pods': async ({ api, pods, host, settle }) => {
    await host.ask({ do: 'serve', protocol: 'tcp', port: 6443, name: 'node' })
    api.putService('kubernetes', '10.96.0.1', ['https:443'])
    api.putSlice('kubernetes', ['https:6443'], [{ addresses: [nodeIP] }])
    await settle()
    assert.equal(await pods[0]!.peer.dial('10.96.0.1', 443), `node ${pods[0]!.ip}`)
    assert.equal(await host.dial('10.96.0.1', 443), `node ${nodeIP}`)
  },
  'no connection is refused while endpoints come and go': async ({ api, pods, settle }) => {
    api.putService('web', '10.96.0.10', ['80'])
    const all = pods.slice(1).map(({ ip }) => ip)
    api.putSlice('web', ['8080'], all)
    await settle()
    const dialling = pods[0]!.peer.spread('10.96.0.10', 80, 600)
    let running = true
    void dialling.finally(() => (running = false))
    let flips = 0
    while (running) {
      api.putSlice('web', ['8080'], flips % 2 ? all : all.slice(1))
      flips++
      await settle()
      await new Promise((resolve) => setImmediate(resolve))
    }
    const counts = await dialling
    const answered = ['p2', 'p3', 'p4'].reduce((sum, name) => sum + (counts[name] ?? 0), 0)
    assert.equal(answered, 600, `${JSON.stringify(counts)} in ${flips} changes`)
    assert.ok(flips > 50, `only ${flips} changes`)
  },
  'health, metrics and a healthCheckNodePort': async ({ api, pods, settle }) => {
    api.putService('web', '10.96.0.10', ['80@30080'], {
      type: 'LoadBalancer',
      externalTrafficPolicy: 'Local',
      healthCheckNodePort: 32_000,
    })
    api.putSlice('web', ['8080'], [pods[1]!.ip, pods[2]!.ip, remote(pods[3]!.ip)])
    await settle()
    const get = async (url: string) => {
      const response = await fetch(url)
      return { status: response.status, headers: response.headers, body: await response.text() }
    }
    const healthy = await get(`http://${nodeIP}:32000/`)
    assert.equal(healthy.status, 200)
    assert.equal(healthy.headers.get('X-Load-Balancing-Endpoint-Weight'), '2')
    assert.equal(
      healthy.body,
      '{"service":{"namespace":"test","name":"web"},"localEndpoints":2,"serviceProxyHealthy":true}',
    )
    api.putSlice('web', ['8080'], [remote(pods[3]!.ip)])
    await settle()
    assert.equal((await get(`http://${nodeIP}:32000/any`)).status, 503)
    assert.equal((await get('http://127.0.0.1:10256/healthz')).status, 200)
    const taint = { key: 'ToBeDeletedByClusterAutoscaler', effect: 'NoSchedule' } as const
    api.putNode('n1', { ...nodeFacts, taints: [taint] })
    await settle()
    const leaving = await get('http://127.0.0.1:10256/healthz')
    assert.equal(leaving.status, 503)
    assert.match(leaving.body, /"nodeEligible":false/)
    assert.equal((await get('http://127.0.0.1:10256/livez')).status, 200)
    api.putNode('n1', nodeFacts)
    await pods[0]!.peer.spread('10.96.0.10', 80, 3)
    const metrics = (await get('http://127.0.0.1:10249/metrics')).body
    assert.match(
      metrics,
      /kubeproxy_sync_proxy_rules_duration_seconds_count\{ip_family="IPv4"\} [1-9]/,
    )
    assert.match(metrics, /kubeproxy_sync_proxy_rules_nftables_sync_failures_total/)
    const connections =
      /service_connections_total\{namespace="test",service="web",[^}]*ClusterIP"\} 3/
    assert.match(metrics, connections)
    const missing = /no_local_endpoints_total\{ip_family="IPv4",traffic_policy="external"\} 1/
    assert.match(metrics, missing)
    assert.equal((await get('http://127.0.0.1:10249/proxyMode')).body, 'nftables')
  },
  'the kernel holds exactly what was planned': async ({ api, proxy, pods, settle }) => {
    api.putService('web', '10.96.0.10', ['80@30080'], { sessionAffinity: 'ClientIP' })
    api.putSlice(
      'web',
      ['8080'],
      pods.map(({ ip }) => ip),
    )
    await settle()
    for (const [family, name] of [
      ['IPv4', 'ip'],
      ['IPv6', 'ip6'],
    ] as const) {
      const reader = openNftables({ family: name, name: 'signpost' })
      const drift = diffTables(reader.read(), proxy.planner(family)!.table())
      reader.close()
      // Slots that a moment ago were in use are swept a second later.
      const others = drift.filter(({ type }) => type !== 'deleteElement')
      assert.deepEqual(others, [])
    }
  },
}

/** What the userspace proxy can do; the client it shows is always this node. */
const userspaceScenarios: Readonly<Record<string, Scenario>> = {
  'ClusterIP by TCP and UDP, from a Pod and from the node': async ({ api, pods, host, settle }) => {
    api.putService('web', '10.96.0.10', ['80', 'dns:53/UDP'])
    api.putSlice('web', ports, [pods[1]!.ip])
    await settle()
    for (const client of [pods[0]!.peer, host, pods[1]!.peer]) {
      assert.equal(await client.dial('10.96.0.10', 80), `p2 ${nodeIP}`)
      assert.equal(await client.dial('10.96.0.10', 53, 'udp'), `p2 ${nodeIP}`)
    }
  },
  IPv6: async ({ api, pods, settle }) => {
    api.putService('six', 'fd00:96::10', ['80'])
    api.putSlice('six', ['8080'], [pods[1]!.ipv6], 'IPv6')
    await settle()
    assert.equal(await pods[0]!.peer.dial('fd00:96::10', 80), `p2 ${nodeIPv6}`)
  },
  'NodePort, spread, scale up and down, refusal': async ({ api, pods, outsider, settle }) => {
    api.putService('web', '10.96.0.10', ['80@30080'])
    api.putSlice(
      'web',
      ['8080'],
      pods.slice(1).map(({ ip }) => ip),
    )
    await settle()
    assert.deepEqual(Object.keys(await outsider.spread(nodeIP, 30080, 60)).sort(), [
      'p2',
      'p3',
      'p4',
    ])
    api.putSlice('web', ['8080'], [pods[3]!.ip])
    await settle()
    assert.deepEqual(await outsider.spread(nodeIP, 30080, 10), { p4: 10 })
    api.putSlice('web', ['8080'], [])
    await settle()
    assert.equal(await outsider.dial(nodeIP, 30080), refused)
    assert.equal(await pods[0]!.peer.dial('10.96.0.10', 80), refused)
  },
  'an endpoint that does not answer is passed over': async ({ api, pods, settle }) => {
    api.putService('web', '10.96.0.10', ['80'])
    api.putSlice('web', ['8080'], [pods[1]!.ip, nodeIP])
    await settle()
    assert.deepEqual(await pods[0]!.peer.spread('10.96.0.10', 80, 20), { p2: 20 })
  },
  'a UDP socket follows when its endpoint goes': async ({ api, pods, settle }) => {
    const udp = ['dns:8080/UDP']
    api.putService('dns', '10.96.0.53', ['dns:53/UDP'])
    api.putSlice('dns', udp, [pods[1]!.ip])
    await settle()
    const { peer } = pods[0]!
    await peer.ask({ do: 'open', protocol: 'udp', id: 'v', host: '10.96.0.53', port: 53 })
    assert.equal((await peer.ask({ do: 'say', id: 'v' })).line, `p2 ${nodeIP}`)
    api.putSlice('dns', udp, [pods[2]!.ip])
    await settle()
    assert.equal((await peer.ask({ do: 'say', id: 'v' })).line, `p3 ${nodeIP}`)
  },
  'session affinity': async ({ api, pods, settle }) => {
    api.putService('web', '10.96.0.10', ['80'], { sessionAffinity: 'ClientIP' })
    api.putSlice(
      'web',
      ['8080'],
      pods.slice(1).map(({ ip }) => ip),
    )
    await settle()
    assert.equal(Object.keys(await pods[0]!.peer.spread('10.96.0.10', 80, 20)).length, 1)
  },
}

const servicesResource = (await import('../../../src/api/resources.gen.ts')).services

function remote(ip: string) {
  return { addresses: [ip], nodeName: 'n2', conditions: { ready: true, serving: true } }
}

const nodeFacts = { addresses: [nodeIP, nodeIPv6], podCIDRs: [podCIDR, podCIDRv6] }

async function makeWorld(mode: 'nftables' | 'userspace'): Promise<World> {
  makeNode()
  const pods = await Promise.all([2, 3, 4, 5].map(makePod))
  const outsider = await makeOutsider()
  const host = new Peer({ ownNamespace: false })
  await host.ready()
  for (const [index, { peer }] of pods.entries()) {
    const name = `p${index + 1}`
    await peer.ask({ do: 'serve', protocol: 'tcp', port: 8080, name })
    await peer.ask({ do: 'serve', protocol: 'udp', port: 8080, name })
  }
  const api = new FakeApi()
  api.putNode('n1', nodeFacts)
  api.putServiceCIDRs([serviceCIDR, serviceCIDRv6])
  const log = createLogger({ level: 'warn' })
  const deps = { client: api.client, clock: systemClock, random: systemRandom, log }
  const proxy = await startProxy(
    {
      nodeName: 'n1',
      mode,
      healthzBindAddress: '0.0.0.0:10256',
      metricsBindAddress: '127.0.0.1:10249',
    },
    { ...deps, informers: api.informers },
  )
  await proxy.ready()
  return { api, proxy, pods, host, outsider, settle: () => proxy.settled() }
}

async function main(): Promise<void> {
  const mode = process.argv[2] === 'userspace' ? 'userspace' : 'nftables'
  const world = await makeWorld(mode)
  const scenarios = mode === 'nftables' ? nftablesScenarios : userspaceScenarios
  const wanted = process.argv[3]
  for (const [name, run] of Object.entries(scenarios)) {
    if (wanted && !name.includes(wanted)) continue
    const error = await run(world).then(
      () => undefined,
      (cause: Error) => cause.stack ?? cause.message,
    )
    process.stdout.write(`${JSON.stringify({ name, ...(error ? { error } : {}) })}\n`)
    for (const slice of world.api.informers.informer(endpointslices).list())
      world.api.removeService(slice.metadata.name.replace(/-1$/, ''))
    for (const service of world.api.informers.informer(servicesResource).list())
      world.api.removeService(service.metadata.name)
    await world.settle()
  }
  await world.proxy.cleanup()
  for (const { peer } of world.pods) peer.stop()
  world.host.stop()
  world.outsider.stop()
}

await main()
