// What the encoder writes, as `nft` and our own reader see it. Run in a fresh network namespace, as
// root there; prints one JSON object {name, error?} for each scenario.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { openNftables } from '../../../src/linux/nftables/apply.ts'
import { diffTables } from '../../../src/linux/nftables/diff.ts'
import type { Family, Table } from '../../../src/linux/nftables/objects.ts'
import { formatTable } from '../../../src/linux/nftables/text.ts'
import { buildRules, type PlannerService } from '../../../src/proxy/rules.ts'
import { config, node, plannerService, service, slice } from '../../../src/proxy/test-objects.ts'

function services(): Map<string, PlannerService> {
  const object = service('web', ['80@30080', 'dns:53/UDP'], {
    type: 'LoadBalancer',
    externalTrafficPolicy: 'Local',
    sessionAffinity: 'ClientIP',
    loadBalancerSourceRanges: ['203.0.113.0/24', '192.0.2.7/32'],
    externalIPs: ['198.51.100.7'],
  })
  const status = { loadBalancer: { ingress: [{ ip: '198.51.100.20' }] } }
  const slices = [slice(['8080', 'dns:53/UDP'], ['10.244.0.1 local', '10.244.1.2', '10.244.1.3'])]
  const none = service('none', ['81'], { clusterIP: '10.96.0.11', clusterIPs: ['10.96.0.11'] })
  return new Map([
    ['default/web', plannerService({ ...object, status }, slices)],
    ['default/none', plannerService(none, [])],
  ])
}

function tableOf(family: Family): Table {
  if (family === 'ip') return buildRules(services(), node)
  const six = {
    ...config,
    family,
    localDetector: { field: 'ip6 saddr', value: 'fd00:244::/64' },
    serviceCIDRs: ['fd00:96::/112'],
    nodePortAddresses: 'all',
  } as const
  return buildRules(new Map(), { ...node, config: six })
}

/** Blocks of a listing without their order, `nft`'s own lines, counters and element order. */
function comparable(listing: string): string[] {
  return listing
    .replace(/^table [^{]*\{.*$/m, '')
    .replace(/^\tflags owner.*$/m, '')
    .replaceAll(/ counter packets \d+ bytes \d+/g, '')
    .replaceAll(/elements = \{([^}]*)\}/g, (_, list: string) => {
      const items = list.split(',').map((item) => item.trim())
      return `elements = { ${items.sort().join(', ')} }`
    })
    .split(/\n\n/)
    .map((block) => block.trim())
    .filter((block) => block !== '')
    .sort()
}

/** The table's closing brace hangs on its last block. */
function blocksOf(listing: string): string[] {
  return comparable(listing.trimEnd().replace(/\}$/, ''))
}

const hasNft = (() => {
  try {
    execFileSync('nft', ['--version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
})()

const scenarios: Readonly<Record<string, () => void>> = {
  'what is written reads back as the same data': () => {
    for (const family of ['ip', 'ip6'] as const) {
      const table = tableOf(family)
      const nftables = openNftables({ family, name: table.name })
      nftables.apply(diffTables(undefined, table))
      assert.deepEqual(diffTables(nftables.read(), table), [])
      assert.deepEqual(nftables.read()!.chains, table.chains)
      nftables.apply([{ type: 'deleteTable' }])
      assert.equal(nftables.read(), undefined)
      nftables.close()
    }
  },
  'our text is what nft lists, line by line': () => {
    if (!hasNft) return
    for (const family of ['ip', 'ip6'] as const) {
      const table = tableOf(family)
      const nftables = openNftables({ family, name: table.name })
      nftables.apply(diffTables(undefined, table))
      const listing = execFileSync('nft', ['list', 'table', family, table.name]).toString()
      assert.deepEqual(blocksOf(listing), blocksOf(formatTable(table)))
      nftables.apply([{ type: 'deleteTable' }])
      nftables.close()
    }
  },
  'a refused operation is named, and nothing of its transaction stays': () => {
    const table = tableOf('ip')
    const nftables = openNftables({ family: 'ip', name: table.name })
    nftables.apply(diffTables(undefined, table))
    const svc = table.sets.get('svc')!
    const before = nftables.generation()
    assert.throws(
      () =>
        nftables.apply([
          { type: 'addElement', set: svc, key: '10.96.0.99 . tcp . 80', value: 'drop' },
          { type: 'deleteElement', set: svc, key: '10.96.0.98 . tcp . 80' },
        ]),
      /cannot delete element ip signpost svc \{ 10\.96\.0\.98 \. tcp \. 80 \}: ENOENT/,
    )
    assert.equal(nftables.generation(), before)
    assert.deepEqual(diffTables(nftables.read(), table), [])
    nftables.apply([{ type: 'deleteTable' }])
    nftables.close()
  },
  'a table outlives its owner and is adopted by the next': () => {
    const table = tableOf('ip')
    const first = openNftables({ family: 'ip', name: table.name })
    first.apply(diffTables(undefined, table))
    const second = openNftables({ family: 'ip', name: table.name })
    if (first.isOwner) assert.throws(() => second.apply([{ type: 'deleteTable' }]), /EPERM/)
    first.close()
    assert.equal(second.adopt(), true)
    assert.deepEqual(diffTables(second.read(), table), [])
    second.apply([{ type: 'deleteTable' }])
    second.close()
  },
  '10 000 Services with 3 endpoints load within seconds, one change in milliseconds': () => {
    const table = tableOf('ip')
    const nftables = openNftables({ family: 'ip', name: table.name })
    const elements = new Map(table.elements)
    const svc = new Map<string, string>()
    const ep = new Map<string, string>()
    for (let index = 0; index < 10_000; index++) {
      const frontend = `10.96.${40 + (index >> 8)}.${index & 255} . tcp . 80`
      svc.set(frontend, 'goto x-1')
      for (let slot = 0; slot < 3; slot++)
        ep.set(`${frontend} . 0x0000000${slot}`, `10.244.${index >> 8}.${slot + 1} . 8080`)
    }
    elements.set('svc', svc)
    elements.set('ep', ep)
    const chain = { name: 'x-1', rules: [] }
    const large = { ...table, elements, chains: new Map(table.chains).set('x-1', chain) }
    const [loadMs] = timed(() => nftables.apply(diffTables(undefined, large)))
    const [readMs, read] = timed(() => nftables.read()!)
    assert.equal(read.elements.get('ep')!.size, 30_000)
    const set = table.sets.get('ep')!
    const key = ep.keys().next().value!
    const times = Array.from({ length: 51 }, (_, round) => {
      const value = `10.244.0.${(round % 200) + 1} . 8080`
      const change = [
        { type: 'deleteElement', set, key } as const,
        { type: 'addElement', set, key, value } as const,
      ]
      return timed(() => nftables.apply(change))[0]
    })
    const changeMs = times.sort((one, other) => one - other)[25]!
    process.stderr.write(
      `30 000 endpoints: load ${loadMs.toFixed(0)} ms, read ${readMs.toFixed(0)} ms, change ${changeMs.toFixed(2)} ms\n`,
    )
    assert.ok(loadMs < 5000 && changeMs < 5, `load ${loadMs} ms, change ${changeMs} ms`)
    nftables.apply([{ type: 'deleteTable' }])
    nftables.close()
  },
}

function timed<T>(run: () => T): [number, T] {
  const start = performance.now()
  const result = run()
  return [performance.now() - start, result]
}

for (const [name, run] of Object.entries(scenarios)) {
  let error: string | undefined
  try {
    run()
  } catch (cause) {
    error = cause instanceof Error ? (cause.stack ?? cause.message) : String(cause)
  }
  process.stdout.write(`${JSON.stringify({ name, ...(error ? { error } : {}) })}\n`)
}
