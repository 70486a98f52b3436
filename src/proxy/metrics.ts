// The proxy's metrics, under kube-proxy's names; those of our own begin with signpost_proxy_.
import { Counter, Gauge, Histogram, Registry } from 'prom-client'
import type { IPFamily } from '../lib/ip.ts'

export type ProxyMetrics = ReturnType<typeof createProxyMetrics>

const familyLabel = ['ip_family'] as const
const syncBuckets = Array.from({ length: 15 }, (_, power) => 0.001 * 2 ** power)
const programmingBuckets = [
  0,
  0.25,
  0.5,
  ...range(1, 59, 1),
  ...range(60, 115, 5),
  ...range(120, 300, 30),
]

function range(from: number, to: number, step: number): number[] {
  return Array.from({ length: (to - from) / step + 1 }, (_, index) => from + index * step)
}

export function createProxyMetrics() {
  const registry = new Registry()
  const make = makers(registry)
  return { registry, ...syncMetrics(make), ...changeMetrics(make), ...stateMetrics(make) }
}

type Makers = ReturnType<typeof makers>

function makers(registry: Registry) {
  const registers = [registry]
  const counter = <L extends string>(name: string, help: string, labelNames: readonly L[] = []) =>
    new Counter<L>({ name: name, help, labelNames, registers })
  const gauge = <L extends string>(name: string, help: string, labelNames: readonly L[] = []) =>
    new Gauge<L>({ name: name, help, labelNames, registers })
  const seconds = <L extends string>(
    name: string,
    help: string,
    options: { buckets: number[]; labelNames?: readonly L[] },
  ) => new Histogram<L>({ name, help, labelNames: [], ...options, registers })
  return { counter, gauge, seconds }
}

const sync = { buckets: syncBuckets, labelNames: familyLabel }

function syncMetrics({ gauge, seconds }: Makers) {
  return {
    syncDuration: seconds(
      'kubeproxy_sync_proxy_rules_duration_seconds',
      'SyncProxyRules latency in seconds',
      sync,
    ),
    syncFullDuration: seconds(
      'kubeproxy_sync_full_proxy_rules_duration_seconds',
      'SyncProxyRules latency in seconds for full resyncs',
      sync,
    ),
    syncPartialDuration: seconds(
      'kubeproxy_sync_partial_proxy_rules_duration_seconds',
      'SyncProxyRules latency in seconds for partial resyncs',
      sync,
    ),
    programming: seconds(
      'kubeproxy_network_programming_duration_seconds',
      'In Cluster Network Programming Latency in seconds',
      { buckets: programmingBuckets, labelNames: familyLabel },
    ),
    lastTimestamp: gauge(
      'kubeproxy_sync_proxy_rules_last_timestamp_seconds',
      'The last time proxy rules were successfully synced',
      familyLabel,
    ),
    lastQueued: gauge(
      'kubeproxy_sync_proxy_rules_last_queued_timestamp_seconds',
      'The last time a sync of proxy rules was queued',
      familyLabel,
    ),
  }
}

function changeMetrics({ counter, gauge }: Makers) {
  return {
    endpointChangesPending: gauge(
      'kubeproxy_sync_proxy_rules_endpoint_changes_pending',
      'Pending proxy rules Endpoint changes',
    ),
    endpointChanges: counter(
      'kubeproxy_sync_proxy_rules_endpoint_changes_total',
      'Cumulative proxy rules Endpoint changes',
    ),
    serviceChangesPending: gauge(
      'kubeproxy_sync_proxy_rules_service_changes_pending',
      'Pending proxy rules Service changes',
    ),
    serviceChanges: counter(
      'kubeproxy_sync_proxy_rules_service_changes_total',
      'Cumulative proxy rules Service changes',
    ),
    syncFailures: counter(
      'kubeproxy_sync_proxy_rules_nftables_sync_failures_total',
      'Cumulative proxy nftables sync failures',
      familyLabel,
    ),
    cleanupFailures: counter(
      'kubeproxy_sync_proxy_rules_nftables_cleanup_failures_total',
      'Cumulative proxy nftables cleanup failures',
      familyLabel,
    ),
  }
}

function stateMetrics({ counter, gauge, seconds }: Makers) {
  return {
    noLocalEndpoints: gauge(
      'kubeproxy_sync_proxy_rules_no_local_endpoints_total',
      'Number of services with a Local traffic policy and no endpoints',
      ['ip_family', 'traffic_policy'],
    ),
    healthz: counter('kubeproxy_proxy_healthz_total', 'Cumulative proxy healthz HTTP status', [
      'code',
    ]),
    livez: counter('kubeproxy_proxy_livez_total', 'Cumulative proxy livez HTTP status', ['code']),
    conntrackDuration: seconds(
      'kubeproxy_conntrack_reconciler_sync_duration_seconds',
      'ReconcileConntrackFlowsLatency latency in seconds',
      sync,
    ),
    conntrackDeleted: counter(
      'kubeproxy_conntrack_reconciler_deleted_entries_total',
      'Cumulative conntrack flows deleted by conntrack reconciler',
      familyLabel,
    ),
    driftRepairs: counter(
      'signpost_proxy_drift_repairs_total',
      "Times the kernel's table was found changed by others, and mended",
      familyLabel,
    ),
    connections: counter(
      'signpost_proxy_service_connections_total',
      'Connections to each frontend of a Service since its rules were written',
      ['namespace', 'service', 'port', 'protocol', 'frontend'],
    ),
    commitBytes: counter(
      'signpost_proxy_commit_bytes_total',
      'Bytes of netlink messages committed',
      familyLabel,
    ),
  }
}

export function familyLabelOf(family: IPFamily): { ip_family: IPFamily } {
  return { ip_family: family }
}
