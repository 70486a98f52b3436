// The small controllers: accounts, the root CA, tokens, evictions, Pod garbage, Node addresses.
import { generateKeyPairSync } from 'node:crypto'
import { expect, test } from 'vitest'
import {
  configmaps,
  namespaces,
  nodes,
  pods,
  secrets,
  serviceaccounts,
} from '../api/resources.gen.ts'
import { formatCidr, parseCidr } from '../lib/ip.ts'
import { buildNode, buildPod } from './build.ts'
import { freeBlock, nodeIpamController } from './node-ipam.ts'
import { Play } from './play.ts'
import { podGcController } from './podgc.ts'
import { rootCAPublisher } from './root-ca-publisher.ts'
import { serviceAccountTokenController, signerOf } from './service-account-tokens.ts'
import { serviceAccountController } from './serviceaccount.ts'
import { taintEvictionController, toleranceMs } from './taint-eviction.ts'

test('C49 SA1 every active Namespace has its account and root CA, both made again and put right', () => {
  const play = new Play()
  const controllers = [serviceAccountController(), rootCAPublisher({ rootCA: 'PEM' })]
  play.put(namespaces, { metadata: { name: 'a' }, spec: {} })
  play.put(namespaces, {
    metadata: { name: 'b', deletionTimestamp: '2026-01-01T00:00:00Z' },
    spec: {},
  })
  play.settleAll(controllers)
  expect(
    play.list(serviceaccounts).map(({ metadata }) => `${metadata.namespace}/${metadata.name}`),
  ).toEqual(['a/default'])
  const map = play.get(configmaps, 'a/kube-root-ca.crt')
  expect(map.data).toEqual({ 'ca.crt': 'PEM' })
  play.put(configmaps, { ...map, data: { 'ca.crt': 'x', more: 'y' } })
  play.remove(serviceaccounts, 'a/default')
  play.settleAll(controllers)
  expect(play.get(configmaps, 'a/kube-root-ca.crt').data).toEqual({ 'ca.crt': 'PEM' })
  expect(play.list(serviceaccounts)).toHaveLength(1)
})

test('SA2 a token Secret made by hand is filled, and goes with its account', async () => {
  const play = new Play()
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const sign = signerOf(privateKey.export({ type: 'pkcs8', format: 'pem' }).toString())
  const controller = serviceAccountTokenController({ rootCA: 'PEM', sign })
  const key = 'default/tok'
  play.put(serviceaccounts, { metadata: { namespace: 'default', name: 'bot', uid: 'uid-bot' } })
  play.put(secrets, {
    type: 'kubernetes.io/service-account-token',
    metadata: {
      namespace: 'default',
      name: 'tok',
      annotations: { 'kubernetes.io/service-account.name': 'bot' },
    },
  })
  const live = { client: undefined as never, signal: new AbortController().signal }
  const token = await controller.observe?.(key, play.snapshot(controller), live)
  play.run(controller, key, token)
  const { data, metadata } = play.get(secrets, key)
  expect(Buffer.from(data?.['namespace'] ?? '', 'base64').toString()).toBe('default')
  expect(metadata.annotations).toHaveProperty(['kubernetes.io/service-account.uid'], 'uid-bot')
  const [, payload] = Buffer.from(data?.['token'] ?? '', 'base64')
    .toString()
    .split('.')
  expect(JSON.parse(Buffer.from(payload ?? '', 'base64url').toString())).toMatchObject({
    iss: 'kubernetes/serviceaccount',
    sub: 'system:serviceaccount:default:bot',
    'kubernetes.io/serviceaccount/secret.name': 'tok',
    'kubernetes.io/serviceaccount/service-account.uid': 'uid-bot',
  })
  expect(play.run(controller, key)).toEqual([])
  play.put(serviceaccounts, { metadata: { namespace: 'default', name: 'bot', uid: 'uid-other' } })
  expect(play.run(controller, key).map(({ type }) => type)).toEqual(['delete'])
})

const unreachable = { key: 'node.kubernetes.io/unreachable', effect: 'NoExecute' as const }

function evicting(tolerationSeconds: number | undefined, tolerates = true) {
  const play = new Play()
  const controller = taintEvictionController({ workers: 1 })
  const toleration = {
    key: unreachable.key,
    operator: 'Exists' as const,
    ...(tolerationSeconds === undefined ? {} : { tolerationSeconds }),
  }
  play.put(
    pods,
    buildPod('p', { spec: { nodeName: 'n1', tolerations: tolerates ? [toleration] : [] } }),
  )
  const taint = (taints: readonly (typeof unreachable)[]) =>
    play.put(nodes, { ...buildNode('n1'), spec: { taints } })
  taint([unreachable])
  const run = () => play.run(controller, 'default/p').map(({ type }) => type)
  return { play, run, taint }
}

test('NL3 a Pod that does not tolerate the taint goes at once, with its reason', () => {
  const { play, run } = evicting(undefined, false)
  expect(run()).toEqual(['patch', 'delete'])
  expect(play.get(pods, 'default/p').status?.conditions).toContainEqual(
    expect.objectContaining({
      type: 'DisruptionTarget',
      status: 'True',
      reason: 'DeletionByTaintManager',
    }),
  )
  expect(play.events).toMatchObject([
    { reason: 'TaintManagerEviction', message: 'Marking for deletion Pod default/p' },
  ])
})

test('NL3 a Pod goes when the time it tolerates the taint is over, unless the taint goes first', () => {
  const { play, run, taint } = evicting(30)
  expect(run()).toEqual([])
  play.nowMs += 29_000
  expect(run()).toEqual([])
  taint([])
  expect(run()).toEqual([])
  expect(play.events.map(({ message }) => message)).toEqual([
    'Cancelling deletion of Pod default/p',
  ])
  taint([unreachable])
  expect(run()).toEqual([])
  play.nowMs += 30_000
  expect(run()).toEqual(['patch', 'delete'])
})

test('NL3 the shortest of the matching tolerations counts', () => {
  const tolerations = [300, 3].map((tolerationSeconds) => ({
    operator: 'Exists' as const,
    tolerationSeconds,
  }))
  expect(toleranceMs(buildPod('p', { spec: { tolerations } }), [unreachable])).toBe(3000)
  expect(
    toleranceMs(buildPod('p', { spec: { tolerations: [{ operator: 'Exists' }] } }), [unreachable]),
  ).toBe(Number.POSITIVE_INFINITY)
  expect(toleranceMs(buildPod('p'), [])).toBe(Number.POSITIVE_INFINITY)
  const both = [unreachable, { key: 'other', effect: 'NoExecute' as const }]
  expect(
    toleranceMs(
      buildPod('p', { spec: { tolerations: [{ ...unreachable, operator: 'Exists' }] } }),
      both,
    ),
  ).toBe(0)
})

function collecting(finishedLimit = 12_500) {
  const play = new Play()
  const controller = podGcController({ periodMs: 20_000, quarantineMs: 40_000, finishedLimit })
  const run = (gone: readonly string[] = []) =>
    play.run(controller, 'pods', new Set(gone)).map(({ type, name }) => `${type} ${name}`)
  return { play, run }
}

test('PG1 the oldest finished Pods over the limit go', () => {
  const { play, run } = collecting(2)
  play.put(nodes, buildNode('n1'))
  for (const [i, name] of ['a', 'b', 'c', 'd'].entries()) {
    play.put(
      pods,
      buildPod(name, {
        phase: 'Succeeded',
        metadata: { creationTimestamp: `2026-01-01T00:00:0${i}Z` },
      }),
    )
  }
  expect(run()).toEqual(['delete a', 'delete b'])
})

test('PG1 Pods of a Node that stays missing are failed and removed', () => {
  const { play, run } = collecting()
  play.put(pods, buildPod('p', { spec: { nodeName: 'gone' } }))
  expect(run(['gone'])).toEqual([])
  play.nowMs += 40_000
  expect(run()).toEqual([])
  expect(run(['gone'])).toEqual(['patch p', 'delete p'])
})

test('PG1 what terminates and never ran goes, and so does what a dead Node will not end', () => {
  const { play, run } = collecting()
  const deletionTimestamp = '2026-01-01T00:00:00Z'
  play.put(
    pods,
    buildPod('never', {
      spec: { nodeName: '' },
      metadata: { deletionTimestamp },
      phase: 'Pending',
    }),
  )
  play.put(pods, buildPod('stuck', { spec: { nodeName: 'n1' }, metadata: { deletionTimestamp } }))
  play.put(pods, buildPod('stays', { spec: { nodeName: 'n1' } }))
  const taint = { key: 'node.kubernetes.io/out-of-service', effect: 'NoExecute' as const }
  play.put(nodes, { ...buildNode('n1', { ready: false }), spec: { taints: [taint] } })
  expect(run()).toEqual(['patch never', 'patch stuck', 'delete never', 'delete stuck'])
})

test('NL5 each Node gets the lowest free block of each family', () => {
  const play = new Play()
  const controller = nodeIpamController({ clusterCIDRs: ['10.244.0.0/16', 'fd00:10:244::/48'] })
  for (const name of ['n1', 'n2', 'n3']) {
    play.put(nodes, buildNode(name))
    play.run(controller, name)
  }
  expect(play.get(nodes, 'n2').spec.podCIDRs).toEqual(['10.244.1.0/24', 'fd00:10:244:1::/64'])
  play.remove(nodes, 'n1')
  play.put(nodes, buildNode('n4'))
  play.run(controller, 'n4')
  expect(play.get(nodes, 'n4').spec.podCIDR).toBe('10.244.0.0/24')
})

test('freeBlock() is undefined when the range is full', () => {
  const range = parseCidr('10.244.0.0/23')!
  const blocks = ['10.244.0.0/24', '10.244.1.0/24'].map((text) => parseCidr(text)!)
  expect(formatCidr(freeBlock(range, blocks.slice(0, 1))!)).toBe('10.244.1.0/24')
  expect(freeBlock(range, blocks)).toBeUndefined()
})
