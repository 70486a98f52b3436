// `signpost status`: which process runs the cluster, and whether its parts answer.
import { deployments, nodes } from '../api/resources.gen.ts'
import type { Client } from '../client/client.ts'
import { kubeconfig } from '../client/config.ts'
import { createClient } from '../client/resource-client.ts'
import { createTransport } from '../client/transport.ts'
import { privateKubeconfig } from '../cluster/access.ts'
import type { ClusterOptions } from '../cluster/config.ts'
import { clusterPlace, contextOf, placeFlags } from '../cluster/config.ts'
import { findRunState } from '../cluster/run-state.ts'
import { print } from './output.ts'
import { version } from './version.ts'

interface StatusOptions extends Pick<ClusterOptions, 'name' | 'dataDir'> {
  readonly output?: string
}

interface Report {
  readonly cluster: string
  readonly state: 'running' | 'starting' | 'stopped' | 'killed' | 'absent' | 'unreachable'
  readonly pid?: number
  readonly server?: string
  readonly since?: string
  readonly node?: string
  readonly dns?: string
}

const notRunningCode = 3

export async function status(options: StatusOptions): Promise<void> {
  const report = await inspect(options)
  if (options.output === 'json') print(JSON.stringify(report, undefined, 2))
  else for (const line of describe(report, placeFlags(options))) print(line)
  if (report.state !== 'running') process.exitCode = notRunningCode
}

async function inspect(options: StatusOptions): Promise<Report> {
  const { name, dataDir } = clusterPlace(options)
  const cluster = contextOf(name)
  const found = findRunState(dataDir)
  if (!found) return { cluster, state: privateKubeconfig(dataDir).exists ? 'stopped' : 'absent' }
  const { pid, port, startedAt } = found.state
  if (!found.alive) return { cluster, state: 'killed', pid, since: startedAt }
  if (port === undefined) return { cluster, state: 'starting', pid, since: startedAt }
  const base = { cluster, pid, since: startedAt, server: `https://127.0.0.1:${port}` }
  const { transport: config } = kubeconfig({
    userAgent: `signpost/${version}`,
    file: privateKubeconfig(dataDir).file,
  })
  const transport = createTransport({ ...config, timeoutMs: 5000 })
  try {
    return { ...base, state: 'running', ...(await parts(createClient(transport), cluster)) }
  } catch (error) {
    return {
      ...base,
      state: 'unreachable',
      node: error instanceof Error ? error.message : String(error),
    }
  } finally {
    transport.close()
  }
}

async function parts(client: Client, nodeName: string): Promise<Pick<Report, 'node' | 'dns'>> {
  const node = await client.resource(nodes).get({ name: nodeName })
  const ready = node.status?.conditions?.find((condition) => condition.type === 'Ready')
  const dns = await client.resource(deployments).get({ namespace: 'kube-system', name: 'coredns' })
  return {
    node: ready?.status === 'True' ? 'Ready' : `NotReady: ${ready?.message ?? 'no status yet'}`,
    dns: `${dns.status?.readyReplicas ?? 0}/${dns.spec.replicas ?? 1} ready`,
  }
}

function describe(report: Report, flags: string): string[] {
  switch (report.state) {
    case 'absent':
      return [`cluster "${report.cluster}" does not exist; start it with: signpost up${flags}`]
    case 'stopped':
      return [
        `cluster "${report.cluster}" is stopped, its data is kept; start it with: signpost up${flags}`,
      ]
    case 'killed':
      return [
        `cluster "${report.cluster}" is not running: its process ${report.pid}, started ${report.since}, was killed`,
        `nothing acknowledged is lost; start it again with: signpost up${flags}`,
      ]
    case 'starting':
      return [`cluster "${report.cluster}" is starting (process ${report.pid})`]
    case 'unreachable':
      return [
        `cluster "${report.cluster}": process ${report.pid} runs but ${report.server} does not answer: ${report.node}`,
      ]
    case 'running':
      return [
        `cluster "${report.cluster}" runs since ${report.since} (process ${report.pid})`,
        `  API server  ${report.server}`,
        `  node        ${report.node}`,
        `  DNS         ${report.dns}`,
      ]
  }
}
