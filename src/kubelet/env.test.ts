import { describe, expect, it } from 'vitest'
import type { ConfigMap, Container, Pod, Secret, Service } from '../api/types/core.gen.ts'
import { buildEnv, type EnvSources, serviceEnv } from './env.ts'

const pod: Pod = {
  metadata: { name: 'web', namespace: 'shop', uid: 'u', labels: { a: 'x' } },
  spec: { containers: [], nodeName: 'n1', serviceAccountName: 'default' },
}

const service = (name: string, namespace: string, spec: Service['spec']): Service => ({
  metadata: { name, namespace },
  spec,
})

const kubernetes = service('kubernetes', 'default', {
  clusterIP: '10.96.0.1',
  ports: [{ name: 'https', port: 443 }],
})

function sources(more: Partial<EnvSources> = {}): EnvSources {
  return {
    services: [],
    configMap: () => undefined,
    secret: () => undefined,
    facts: {
      hostIPs: ['192.168.50.2'],
      podIPs: ['10.244.0.2', 'fd00::2'],
      allocatable: { cpu: '4', memory: '1Gi' },
    },
    ...more,
  }
}

function check(container: Partial<Container>, from: EnvSources, expected: unknown): void {
  const result = buildEnv(pod, { name: 'app', ...container }, from)
  expect('env' in result ? result.env : result.error).toEqual(expected)
}

describe('buildEnv()', () => {
  it('lets env win over envFrom, later envFrom over earlier, and those over services (C55)', () => {
    const configs: Record<string, ConfigMap> = {
      one: { metadata: { name: 'one' }, data: { A: '1', B: '1', WEB_PORT: 'mine' } },
      two: { metadata: { name: 'two' }, data: { A: '2', B: '2' } },
    }
    const web = service('web', 'shop', { clusterIP: '10.96.0.9', ports: [{ port: 80 }] })
    const from = sources({ services: [web], configMap: (name) => configs[name] })
    const result = buildEnv(
      pod,
      {
        name: 'app',
        envFrom: [{ configMapRef: { name: 'one' } }, { configMapRef: { name: 'two' } }],
        env: [{ name: 'A', value: '3' }],
      },
      from,
    )
    expect(result).toMatchObject({
      env: { A: '3', B: '2', WEB_PORT: 'mine', WEB_SERVICE_PORT: '80' },
    })
  })

  it('expands what stands above and nothing else; "$$" keeps a reference (C55)', () => {
    const env = [
      { name: 'EARLY', value: '$(LATE)' },
      { name: 'LATE', value: 'x' },
      { name: 'BOTH', value: '$(LATE)-$$(LATE)-$(NONE)-$5' },
    ]
    check({ env }, sources(), { EARLY: '$(LATE)', LATE: 'x', BOTH: 'x-$(LATE)-$(NONE)-$5' })
  })

  it('knows the fields of the Pod and resources by divisor, rounded up (C57)', () => {
    const field = (fieldPath: string) => ({ valueFrom: { fieldRef: { fieldPath } } })
    const resource = (name: string, divisor?: string) => ({
      valueFrom: { resourceFieldRef: { resource: name, ...(divisor ? { divisor } : {}) } },
    })
    check(
      {
        resources: { limits: { cpu: '1500m' }, requests: { memory: '1500Ki' } },
        env: [
          { name: 'LABEL', ...field("metadata.labels['a']") },
          { name: 'IPS', ...field('status.podIPs') },
          { name: 'HOST', ...field('status.hostIP') },
          { name: 'CPU', ...resource('limits.cpu') },
          { name: 'CPU_M', ...resource('limits.cpu', '1m') },
          { name: 'MEMORY_MI', ...resource('requests.memory', '1Mi') },
          { name: 'DEFAULT', ...resource('limits.memory', '1Mi') },
        ],
      },
      sources(),
      {
        LABEL: 'x',
        IPS: '10.244.0.2,fd00::2',
        HOST: '192.168.50.2',
        CPU: '2',
        CPU_M: '1500',
        MEMORY_MI: '2',
        DEFAULT: '1024',
      },
    )
  })

  it('takes secrets decoded, with a prefix', () => {
    const secret: Secret = { metadata: { name: 's' }, data: { key: 'c2VjcmV0' } }
    check(
      {
        envFrom: [{ prefix: 'P_', secretRef: { name: 's' } }],
        env: [{ name: 'ONE', valueFrom: { secretKeyRef: { name: 's', key: 'key' } } }],
      },
      sources({ secret: () => secret }),
      { P_key: 'secret', ONE: 'secret' },
    )
  })

  it('refuses what is missing unless it is optional (C59)', () => {
    const ref = { name: 'gone', key: 'k' }
    check({ envFrom: [{ secretRef: { name: 'gone' } }] }, sources(), 'secret "gone" not found')
    check(
      { env: [{ name: 'A', valueFrom: { configMapKeyRef: ref } }] },
      sources({ configMap: () => ({ metadata: { name: 'gone' } }) }),
      "couldn't find key k in ConfigMap shop/gone",
    )
    const optional = { ...ref, optional: true }
    check({ env: [{ name: 'A', valueFrom: { configMapKeyRef: optional } }] }, sources(), {})
  })
})

describe('serviceEnv() (C56)', () => {
  it('gives the eight variables of a Service with a named port', () => {
    const db = service('my-db', 'shop', {
      clusterIP: '10.96.0.7',
      ports: [{ name: 'pg', port: 5432, protocol: 'TCP' }],
    })
    expect(serviceEnv(pod, [db])).toEqual({
      MY_DB_SERVICE_HOST: '10.96.0.7',
      MY_DB_SERVICE_PORT: '5432',
      MY_DB_SERVICE_PORT_PG: '5432',
      MY_DB_PORT: 'tcp://10.96.0.7:5432',
      MY_DB_PORT_5432_TCP: 'tcp://10.96.0.7:5432',
      MY_DB_PORT_5432_TCP_PROTO: 'tcp',
      MY_DB_PORT_5432_TCP_PORT: '5432',
      MY_DB_PORT_5432_TCP_ADDR: '10.96.0.7',
    })
  })

  it('gives only the API server without links, and nothing of other namespaces or headless ones', () => {
    const none = service('headless', 'shop', { clusterIP: 'None', ports: [{ port: 1 }] })
    const other = service('web', 'other', { clusterIP: '10.96.0.8', ports: [{ port: 1 }] })
    const own = service('web', 'shop', { clusterIP: '10.96.0.9', ports: [{ port: 1 }] })
    expect(serviceEnv(pod, [none, other])).toEqual({})
    const unlinked = { ...pod, spec: { ...pod.spec, enableServiceLinks: false } }
    expect(Object.keys(serviceEnv(unlinked, [own, kubernetes]))).toEqual([
      'KUBERNETES_SERVICE_HOST',
      'KUBERNETES_SERVICE_PORT',
      'KUBERNETES_SERVICE_PORT_HTTPS',
      'KUBERNETES_PORT',
      'KUBERNETES_PORT_443_TCP',
      'KUBERNETES_PORT_443_TCP_PROTO',
      'KUBERNETES_PORT_443_TCP_PORT',
      'KUBERNETES_PORT_443_TCP_ADDR',
    ])
  })

  it('brackets IPv6 inside URLs only', () => {
    const six = service('six', 'shop', { clusterIP: 'fd00::1', ports: [{ port: 80 }] })
    expect(serviceEnv(pod, [six])).toMatchObject({
      SIX_SERVICE_HOST: 'fd00::1',
      SIX_PORT: 'tcp://[fd00::1]:80',
    })
  })
})
