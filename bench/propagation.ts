// From a Service's POST to the first connection by its name from a Pod, and where the time goes:
// stored, slice written, rules committed (connection by address), name answered.
import * as path from 'node:path'
import { fileURLToPath } from 'node:url'
import { endpointslices, services } from '../src/api/resources.gen.ts'
import type { Service } from '../src/api/types/core.gen.ts'
import { kubeconfig } from '../src/client/config.ts'
import { createClient } from '../src/client/resource-client.ts'
import { createTransport } from '../src/client/transport.ts'
import { eventually, startTestCluster } from '../test/support/cluster.ts'
import type { Bench, Figure } from './figure.ts'
import { quantile } from './figure.ts'

const present = 100
const samples = 100
const examples = fileURLToPath(new URL('../examples/01-first-service', import.meta.url))

interface Sample {
  stored: number
  sliced: number
  byAddress: number
  answered: number
  byName: number
}

export const bench: Bench = {
  about: `Service POST -> first connection by name from a Pod, ${present} Services present, ${samples} samples`,
  durability: 'fsync',
  async run(): Promise<readonly Figure[]> {
    const cluster = await startTestCluster({ args: ['--port', '0'] })
    try {
      await cluster.kubectl('apply', '-k', examples)
      for (const name of ['echo', 'client'])
        await cluster.kubectl('rollout', 'status', `deployment/${name}`)
      const config = kubeconfig({ userAgent: 'bench', file: cluster.kubeconfig }).transport
      const client = createClient(createTransport(config))
      const create = (name: string) => client.resource(services).create(serviceNamed(name))
      await Promise.all(Array.from({ length: present }, (_, index) => create(`present-${index}`)))
      const results: Sample[] = []
      for (let index = 0; index < samples; index++) results.push(await sample(`sample-${index}`))
      return figures(results)

      async function sample(name: string): Promise<Sample> {
        // The prober waits inside the Pod and dials as fast as it can; it writes the times it saw.
        const probing = cluster.shell(
          `kubectl exec -i deploy/client -- node - ${name} < ${path.join(import.meta.dirname, 'prober.mjs')}`,
        )
        await eventually(async () => {
          const { stdout } = await cluster.kubectl(
            'exec',
            'deploy/client',
            '--',
            'cat',
            `/tmp/${name}.waiting`,
          )
          if (!stdout.includes('waiting')) throw new Error('the prober does not run')
        })
        const slice = watchSlice(name)
        await slice.open
        const postedMs = Date.now()
        await create(name)
        const stored = Date.now() - postedMs
        const sliced = (await slice.seenMs) - postedMs
        const { stdout, stderr } = await probing
        const seen = parse(stdout, stderr)
        return {
          stored,
          sliced,
          byAddress: seen.byAddressMs - postedMs,
          answered: seen.answeredMs - postedMs,
          byName: seen.byNameMs - postedMs,
        }
      }

      function watchSlice(service: string) {
        let opened = () => {}
        const open = new Promise<void>((resolve) => (opened = resolve))
        const seenMs = (async () => {
          const list = await client.resource(endpointslices).list({ namespace: 'default' })
          const events = client.resource(endpointslices).watch({
            namespace: 'default',
            labelSelector: `kubernetes.io/service-name=${service}`,
            resourceVersion: list.metadata.resourceVersion ?? '0',
          })
          opened()
          for await (const { object } of events)
            if ((object.endpoints ?? []).length > 0) return Date.now()
          return Number.NaN
        })()
        return { open, seenMs }
      }
    } finally {
      await cluster.stop()
    }
  },
}

const serviceNamed = (name: string): Service => ({
  metadata: { namespace: 'default', name },
  spec: { selector: { app: 'echo' }, ports: [{ port: 80, targetPort: 8080 }] },
})

interface Seen {
  readonly answeredMs: number
  readonly byAddressMs: number
  readonly byNameMs: number
}

function parse(stdout: string, stderr: string): Seen {
  try {
    return JSON.parse(stdout) as Seen
  } catch {
    throw new Error(`the prober failed: ${stderr}`)
  }
}

function figures(results: readonly Sample[]): readonly Figure[] {
  const stages = ['stored', 'sliced', 'answered', 'byAddress', 'byName'] as const
  const titles = {
    stored: 'stored',
    sliced: 'slice seen',
    answered: 'name answered',
    byAddress: 'rules committed (by address)',
    byName: 'connection by name',
  }
  return stages.flatMap((stage) => {
    const values = results.map((result) => result[stage])
    return [
      { name: `${titles[stage]}, p50`, unit: 'ms', ours: quantile(values, 0.5) },
      {
        name: `${titles[stage]}, p99`,
        unit: 'ms',
        ours: quantile(values, 0.99),
        ...(stage === 'byName' ? { target: 100 } : {}),
      },
    ]
  })
}
