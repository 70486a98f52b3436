// What the node and its containers use, as /stats/summary and /metrics/resource tell it.
import { cpus, freemem, loadavg, totalmem } from 'node:os'
import { formatTime } from '../lib/clock.ts'
import type { ContainerUsage } from './runtime.ts'

export interface PodUsage {
  readonly namespace: string
  readonly name: string
  readonly uid: string
  readonly startTimeMs: number
  readonly containers: readonly { readonly name: string; readonly usage: ContainerUsage }[]
}

export interface NodeUsage {
  readonly cpuSeconds: number
  readonly memoryBytes: number
}

/** Of the machine: the node shares it with whatever else runs there. */
export function nodeUsage(): NodeUsage {
  const busyMs = cpus().reduce((sum, { times }) => sum + times.user + times.sys + times.nice, 0)
  return { cpuSeconds: busyMs / 1000, memoryBytes: totalmem() - freemem() }
}

export function statsSummary(
  nodeName: string,
  pods: readonly PodUsage[],
  context: { readonly nowMs: number; readonly node: NodeUsage },
): unknown {
  const time = formatTime(context.nowMs)
  const cpu = (seconds: number) => ({ time, usageCoreNanoSeconds: Math.round(seconds * 1e9) })
  const memory = (bytes: number) => ({
    time,
    usageBytes: bytes,
    workingSetBytes: bytes,
    rssBytes: bytes,
  })
  return {
    node: {
      nodeName,
      cpu: {
        ...cpu(context.node.cpuSeconds),
        usageNanoCores: Math.round((loadavg()[0] ?? 0) * 1e9),
      },
      memory: memory(context.node.memoryBytes),
    },
    pods: pods.map((pod) => ({
      podRef: { name: pod.name, namespace: pod.namespace, uid: pod.uid },
      startTime: formatTime(pod.startTimeMs),
      containers: pod.containers.map(({ name, usage }) => ({
        name,
        startTime: formatTime(pod.startTimeMs),
        cpu: cpu(usage.cpuSeconds),
        memory: memory(usage.memoryBytes),
      })),
      cpu: cpu(sum(pod, 'cpuSeconds')),
      memory: memory(sum(pod, 'memoryBytes')),
    })),
  }
}

function sum(pod: PodUsage, key: keyof ContainerUsage): number {
  return pod.containers.reduce((total, { usage }) => total + usage[key], 0)
}

/** Prometheus text, with the names metrics-server reads. */
export function resourceMetrics(pods: readonly PodUsage[], node: NodeUsage): string {
  const lines: string[] = []
  const metric = (name: string, type: string, samples: readonly string[]) => {
    lines.push(`# TYPE ${name} ${type}`, ...samples)
  }
  const perContainer = (name: string, key: keyof ContainerUsage) =>
    pods.flatMap((pod) =>
      pod.containers.map(
        ({ name: container, usage }) =>
          `${name}{container="${container}",namespace="${pod.namespace}",pod="${pod.name}"} ${usage[key]}`,
      ),
    )
  const perPod = (name: string, key: keyof ContainerUsage) =>
    pods.map((pod) => `${name}{namespace="${pod.namespace}",pod="${pod.name}"} ${sum(pod, key)}`)
  const cpuName = 'container_cpu_usage_seconds_total'
  const memoryName = 'container_memory_working_set_bytes'
  metric(cpuName, 'counter', perContainer(cpuName, 'cpuSeconds'))
  metric(memoryName, 'gauge', perContainer(memoryName, 'memoryBytes'))
  metric(
    'pod_cpu_usage_seconds_total',
    'counter',
    perPod('pod_cpu_usage_seconds_total', 'cpuSeconds'),
  )
  metric(
    'pod_memory_working_set_bytes',
    'gauge',
    perPod('pod_memory_working_set_bytes', 'memoryBytes'),
  )
  metric('node_cpu_usage_seconds_total', 'counter', [
    `node_cpu_usage_seconds_total ${node.cpuSeconds}`,
  ])
  metric('node_memory_working_set_bytes', 'gauge', [
    `node_memory_working_set_bytes ${node.memoryBytes}`,
  ])
  metric('scrape_error', 'gauge', ['scrape_error 0'])
  return `${lines.join('\n')}\n`
}
