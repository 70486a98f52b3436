import { describe, expect, test } from 'vitest'
import type { Pod, Service } from '../../api/types/core.gen.ts'
import { diagnose } from '../diagnose.ts'
import { exitCodeOf } from '../report.ts'
import type { Asked } from '../snapshot.ts'
import { causesOf, healthy, messagesOf, pod, secondsAgo, service, slice } from '../test-objects.ts'
import { createView } from '../view.ts'
import {
  nobodyBehind,
  noReadyEndpoint,
  portNameMismatch,
  selectorMatchesNothing,
  targetPortMissing,
} from './endpoints.ts'

const viewWith = (services: readonly Service[], pods: readonly ReturnType<typeof pod>[]) =>
  createView({ ...healthy(), services, pods })

describe('E01', () => {
  const check = (services: readonly Service[], pods = [pod('web')], more = {}) =>
    messagesOf(selectorMatchesNothing, { services, pods, ...more })

  test('is silent when a Pod matches', () => expect(check([service('web')])).toEqual([]))
  test('names the labels that differ', () =>
    expect(check([service('web')], [pod('a', { labels: { app: 'web-v2' } })])).toEqual([
      'app=web selects no Pod in shop; 1 Pod nearly does: app: web (Service), app: web-v2 (Pod)',
    ]))
  test('sees the right value under another key', () =>
    expect(check([service('web')], [pod('a', { labels: { run: 'web' } })])).toEqual([
      'app=web selects no Pod in shop; 1 Pod nearly does: app: web (Service), run: web (Pod)',
    ]))
  test('does not call a Pod near that shares a key alone', () =>
    expect(check([service('web')], [pod('client')])).toEqual([
      'app=web selects no Pod in shop; the namespace has 1 Pod',
    ]))
  test('points to another namespace', () =>
    expect(
      check([service('web')], [], { podsElsewhere: [pod('web', { namespace: 'prod' })] }),
    ).toEqual(['app=web selects no Pod in shop; 1 Pod in namespace prod would match']))
  test('does not count Pods that have ended', () =>
    expect(check([service('web')], [pod('web', { status: { phase: 'Succeeded' } })])).toHaveLength(
      1,
    ))
  test('has nothing to say of ExternalName, nor without a selector', () =>
    expect(
      check([
        service('db', { type: 'ExternalName', externalName: 'db.example.com' }),
        service('hand', { selector: {} }),
      ]),
    ).toEqual([]))
  test('asks whether a workload was scaled to zero on purpose', () => {
    const workloads = [
      { kind: 'Deployment', namespace: 'shop', name: 'front', labels: { app: 'web' }, replicas: 0 },
    ] as const
    expect(check([service('web')], [], { workloads })).toEqual([
      'Deployment front, whose Pods it selects, is scaled to zero; on purpose?',
    ])
    expect(check([service('web')], [], { workloads: [{ ...workloads[0], replicas: 1 }] })).toEqual([
      'app=web selects no Pod in shop; the namespace has 0 Pods',
    ])
  })
  test.each<[string, Asked, number, string]>([
    ['asked for', { namespace: 'shop', service: { namespace: 'shop', name: 'web' } }, 1, 'warn'],
    ['met in a scan', { namespace: 'shop' }, 0, 'info'],
  ])('scaled to zero and %s', (_, asked, code, severity) => {
    const report = diagnose({
      ...healthy(),
      ...{ asked, pods: [], endpointSlices: [], nodeRules: [], podPorts: [] },
      workloads: [
        { kind: 'Deployment', namespace: 'shop', name: 'web', labels: { app: 'web' }, replicas: 0 },
      ],
    })
    expect(report.findings.map((one) => `${one.id} ${one.severity}`)).toEqual([`E01 ${severity}`])
    expect(exitCodeOf(report)).toBe(code)
  })
  test('passes over metrics of a control plane that is not shown', () => {
    const selector = { component: 'kube-scheduler' }
    const metrics = service('sched', { selector, clusterIP: 'None' }, { namespace: 'kube-system' })
    expect(check([metrics])).toEqual([])
  })
  test('lets a Service of a moment ago settle', () =>
    expect(check([service('web', {}, { created: secondsAgo(3) })], [])).toEqual([
      'app=web selects no Pod in shop; the namespace has 0 Pods (settling: the Service was made 3 s ago)',
    ]))
  test('offers the selector that would match', () => {
    const [finding] = selectorMatchesNothing.run(
      viewWith([service('web')], [pod('a', { labels: { run: 'web' } })]),
    )
    expect(finding?.fix.commands).toEqual([
      `kubectl -n shop patch service web --type=merge -p '{"spec":{"selector":{"app":null,"run":"web"}}}'`,
    ])
  })
})

describe('E02', () => {
  const unready = (options: Parameters<typeof pod>[1]) =>
    messagesOf(noReadyEndpoint, {
      pods: [pod('web', { ready: false, ...options })],
      endpointSlices: [slice('web', [pod('web', { ready: false })])],
    })
  const waiting = (reason: string, message?: string) => ({
    status: {
      containerStatuses: [
        {
          name: 'app',
          image: '',
          imageID: '',
          ready: false,
          restartCount: 0,
          state: { waiting: { reason, message } },
        },
      ],
    },
  })
  test.each([
    [
      'a readiness probe',
      {
        spec: {
          nodeName: 'n1',
          containers: [{ name: 'app', readinessProbe: { httpGet: { port: 8080, path: '/ok' } } }],
        },
      },
      'readiness probe GET :8080/ok of container app fails',
    ],
    ['an image', waiting('ErrImagePull', 'no such image'), 'ErrImagePull: no such image'],
    [
      'no node',
      {
        spec: { nodeName: undefined, containers: [] },
        status: {
          conditions: [
            {
              type: 'PodScheduled',
              status: 'False',
              reason: 'Unschedulable',
              message: '0/1 nodes',
            },
          ],
        },
      },
      'Unschedulable: 0/1 nodes',
    ],
    [
      'a readiness gate',
      {
        spec: {
          nodeName: 'n1',
          containers: [{ name: 'app' }],
          readinessGates: [{ conditionType: 'lb/ok' }],
        },
        status: {
          conditions: [
            { type: 'Ready', status: 'False' },
            { type: 'ContainersReady', status: 'True' },
          ],
        },
      },
      'readiness gate lb/ok is not True',
    ],
  ])('says that %s keeps the Pod from being ready', (_, options, why) =>
    expect(unready(options as never)).toEqual([`1 Pod matches, none ready: 1× ${why}`]),
  )
  test('is silent with one ready endpoint', () =>
    expect(messagesOf(noReadyEndpoint, {})).toEqual([]))
  test('is silent while a terminating endpoint still serves', () => {
    const ending = slice('web', [pod('web')])
    const conditions = { ready: false, serving: true, terminating: true }
    const endpoints = ending.endpoints!.map((one) => ({ ...one, conditions }))
    const pods = [pod('web', { ready: false })]
    expect(
      messagesOf(noReadyEndpoint, { pods, endpointSlices: [{ ...ending, endpoints }] }),
    ).toEqual([])
  })
  test('is silent about a Pod that is ready and has no slice yet', () =>
    expect(messagesOf(noReadyEndpoint, { endpointSlices: [] })).toEqual([]))
  test('is silent where Pods are published ready or not', () => {
    const services = [service('web', { publishNotReadyAddresses: true })]
    expect(
      messagesOf(noReadyEndpoint, {
        services,
        pods: [pod('web', { ready: false })],
        endpointSlices: [],
      }),
    ).toEqual([])
  })
})

describe('E03', () => {
  const check = (targetPort: string | number, protocol: 'TCP' | 'UDP' = 'TCP') =>
    messagesOf(targetPortMissing, {
      services: [service('web', { ports: [{ port: 80, targetPort, protocol }] })],
    })
  test('names what the Pods declare', () =>
    expect(check('web')).toEqual([
      'targetPort "web" of port 80 is declared by no Pod; Pods declare http=8080/TCP',
    ]))
  test.each<[string, readonly object[], string | number]>([
    [
      'the name of the same protocol',
      [
        { name: 'web', containerPort: 8080 },
        { name: 'dns', containerPort: 53, protocol: 'UDP' },
      ],
      'dns',
    ],
    ['its number, where it has no name', [{ containerPort: 53, protocol: 'UDP' }], 53],
    ['the number of the Service port, where only others are declared', [{ name: 'web' }], 80],
    [
      'the first with a name',
      [
        { containerPort: 52, protocol: 'UDP' },
        { name: 'dns', containerPort: 53, protocol: 'UDP' },
      ],
      'dns',
    ],
  ])('proposes %s', (_, ports, value) => {
    const containers = [{ name: 'app', ports }] as unknown as Pod['spec']['containers']
    const [finding] = targetPortMissing.run(
      viewWith(
        [service('web', { ports: [{ port: 80, targetPort: 'x', protocol: 'UDP' }] })],
        [pod('web', { spec: { containers } })],
      ),
    )
    const patch = [{ op: 'replace', path: '/spec/ports/0/targetPort', value }]
    expect(finding?.fix.commands).toEqual([
      `kubectl -n shop patch service web --type=json -p '${JSON.stringify(patch)}'`,
    ])
  })
  test('looks at the protocol too', () => expect(check('http', 'UDP')).toHaveLength(1))
  test.each([['http'], [9999], [8080]])('is silent about %s', (port) =>
    expect(check(port)).toEqual([]),
  )
})

describe('E08', () => {
  const db = service('db', { selector: undefined, ports: [{ name: 'pg', port: 5432 }] })
  const check = (port: { name?: string; port: number }) =>
    messagesOf(portNameMismatch, {
      services: [db],
      endpointSlices: [slice('db', [pod('db')], { port })],
    })
  test('a slice without the name of the port', () =>
    expect(check({ name: '', port: 5432 })).toEqual([
      `slice port is named "", the Service's is "pg": proxies pass it over`,
    ]))
  test.each<[string, readonly string[], readonly (readonly string[])[], readonly string[]]>([
    ['a name more', ['pg'], [['pg', 'metrics']], []],
    ['a slice more, of another name', ['pg'], [['pg'], ['metrics']], []],
    ['two slices that share the ports', ['pg', 'admin'], [['pg'], ['admin', 'x']], []],
    [
      'one of two ports unserved',
      ['pg', 'admin'],
      [['pg', 'adm']],
      ['"adm", the Service\'s is "admin"'],
    ],
    ['unserved, and every name known', ['pg', 'admin'], [['pg']], []],
  ])('%s', (_, wanted, slices, expected) => {
    const ports = wanted.map((name, index) => ({ name, port: 5432 + index }))
    const messages = messagesOf(portNameMismatch, {
      services: [service('db', { selector: undefined, ports })],
      endpointSlices: slices.map((names, index) => ({
        ...slice('db', [pod('db')], { name: `db-${index}` }),
        ports: names.map((name, at) => ({ name, port: 1000 + at, protocol: 'TCP' as const })),
      })),
    })
    expect(messages).toEqual(
      expected.map((text) => `slice port is named ${text}: proxies pass it over`),
    )
  })
  test('is silent for the right name and another number', () =>
    expect(check({ name: 'pg', port: 15432 })).toEqual([]))
  test('is the cause of what the proxy then does not serve', () =>
    expect(
      causesOf({
        asked: { namespace: 'shop', service: { namespace: 'shop', name: 'db' } },
        services: [db],
        endpointSlices: [slice('db', [pod('db')], { port: { name: 'x', port: 1 } })],
        nodeRules: [],
        podPorts: [],
      }),
    ).toEqual(['E08']))
})

describe('S10', () => {
  test('a Service without selector and slices', () =>
    expect(
      messagesOf(nobodyBehind, { services: [service('db', { selector: undefined })] }),
    ).toHaveLength(1))
  test('is silent about headless ones, which locks use', () =>
    expect(
      messagesOf(nobodyBehind, {
        services: [service('lock', { selector: undefined, clusterIP: 'None' })],
      }),
    ).toEqual([]))
})
