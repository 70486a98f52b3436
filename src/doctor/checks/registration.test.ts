import { describe, expect, test } from 'vitest'
import type { Asked } from '../snapshot.ts'
import { messagesOf, service } from '../test-objects.ts'
import { noSuchService, otherNamespace, wrongPort } from './registration.ts'

const asked = (name: string, more: Partial<Asked> = {}): { asked: Asked } => ({
  asked: { namespace: 'default', service: { namespace: 'default', name }, name, ...more },
})
const elsewhere = [service('web')]
const nothing = { services: [] }

describe('A02 and A04', () => {
  test('a Service in another namespace is A02 alone', () => {
    const facts = { ...nothing, ...asked('web'), namesakes: elsewhere }
    expect(messagesOf(otherNamespace, facts)).toEqual([
      `Service "web" isn't in namespace default; there is one in shop`,
    ])
    expect(messagesOf(noSuchService, facts)).toEqual([])
  })
  test('a Service nowhere is A04 alone, with names like it', () => {
    const facts = { ...nothing, ...asked('wep'), namesakes: elsewhere }
    expect(messagesOf(otherNamespace, facts)).toEqual([])
    expect(messagesOf(noSuchService, facts)).toEqual([
      'no Service "wep" in any namespace; did you mean web?',
    ])
  })
  test('leaves a short name from a Pod to N01', () => {
    const client = { namespace: 'default', name: 'client' }
    const facts = { ...nothing, ...asked('web', { client }), namesakes: elsewhere }
    expect(messagesOf(otherNamespace, facts)).toEqual([])
  })
  test('has nothing to say of names outside, nor of what is there', () => {
    expect(
      messagesOf(noSuchService, {
        ...nothing,
        asked: { namespace: 'd', name: 'x.org', external: true },
      }),
    ).toEqual([])
    expect(messagesOf(noSuchService, {})).toEqual([])
  })
})

describe('S19', () => {
  const check = (port: number | string, spec = {}) =>
    messagesOf(wrongPort, {
      services: [
        service('web', {
          ports: [{ name: 'http', port: 80, targetPort: 8080, nodePort: 30080 }],
          ...spec,
        }),
      ],
      asked: { namespace: 'shop', service: { namespace: 'shop', name: 'web' }, port },
    })
  test.each([
    [8080, ' (its targetPort)'],
    [30080, ' (its nodePort)'],
    [443, ''],
    ['metrics', ''],
  ])('port %s', (port, role) =>
    expect(check(port)).toEqual([`web serves 80/TCP (http → 8080); you dialled ${port}${role}`]),
  )
  test.each([[80], ['http']])('is silent about %s', (port) => expect(check(port)).toEqual([]))
  test('a targetPort by name is looked up on the Pods', () =>
    expect(check(8080, { ports: [{ port: 80, targetPort: 'http' }] })).toEqual([
      'web serves 80/TCP (→ http); you dialled 8080 (its targetPort)',
    ]))
  test('a headless Service is dialled at the Pods’ port', () =>
    expect(check(8080, { clusterIP: 'None' })).toEqual([]))
  test('an ExternalName has no ports of its own', () =>
    expect(check(443, { type: 'ExternalName' })).toEqual([]))
})
