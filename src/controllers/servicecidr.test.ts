import { expect, test } from 'vitest'
import { ipaddresses, servicecidrs } from '../api/resources.gen.ts'
import { Play } from './play.ts'
import { serviceCIDRController } from './servicecidr.ts'

const controller = serviceCIDRController()

function playing(
  ranges: Readonly<Record<string, readonly string[]>>,
  addresses: readonly string[],
) {
  const play = new Play()
  for (const [name, cidrs] of Object.entries(ranges)) {
    play.put(servicecidrs, { metadata: { name }, spec: { cidrs } })
    play.settle(controller, name)
  }
  const parentRef = { resource: 'services', namespace: 'default', name: 'web' }
  for (const name of addresses) play.put(ipaddresses, { metadata: { name }, spec: { parentRef } })
  const leave = (name: string) => {
    const range = play.get(servicecidrs, name)
    const deletionTimestamp = new Date(play.nowMs).toISOString()
    play.put(servicecidrs, { ...range, metadata: { ...range.metadata, deletionTimestamp } })
    play.settle(controller, name)
  }
  const ready = (name: string) => {
    const { metadata, status } = play.get(servicecidrs, name)
    const condition = status?.conditions?.find(({ type }) => type === 'Ready')
    const { status: value, reason } = condition ?? {}
    return [value, reason, metadata.finalizers?.length ?? 0]
  }
  const settle = (name: string) => play.settle(controller, name)
  return { play, leave, ready, settle }
}

test('79 a ServiceCIDR that is added is kept from going, and ready', () => {
  const { ready, settle } = playing({ more: ['10.97.0.0/24'] }, [])
  expect(ready('more')).toEqual(['True', '', 1])
  expect(settle('more')).toEqual([])
})

test('79 deleted while in use it stays, Terminating, until the last address is free', () => {
  const ranges = { kubernetes: ['10.96.0.0/24'], more: ['10.97.0.0/24', 'fd00::/112'] }
  const { play, leave, ready, settle } = playing(ranges, ['10.96.0.1', '10.97.0.7', 'fd00::9'])
  leave('more')
  expect(ready('more')).toEqual(['False', 'Terminating', 1])
  play.remove(ipaddresses, '10.97.0.7')
  play.nowMs += 60_000
  expect(settle('more')).toEqual([])
  play.remove(ipaddresses, 'fd00::9')
  settle('more')
  expect(ready('more')).toEqual(['False', 'Terminating', 0])
})

test('79 it goes although in use when another range holds its addresses', () => {
  const ranges = { wide: ['10.96.0.0/16'], narrow: ['10.96.1.0/24'] }
  const { play, leave, ready, settle } = playing(ranges, ['10.96.1.7'])
  leave('narrow')
  expect(ready('narrow')[2]).toBe(1)
  play.nowMs += 10_000
  settle('narrow')
  expect(ready('narrow')[2]).toBe(0)
})

test('79 two ranges that go together do not let each other go', () => {
  const ranges = { one: ['10.96.0.0/16'], two: ['10.96.0.0/16'] }
  const { play, leave, ready, settle } = playing(ranges, ['10.96.1.7'])
  leave('one')
  leave('two')
  play.nowMs += 60_000
  settle('one')
  settle('two')
  expect([ready('one')[0], ready('two')[0]]).toEqual(['False', 'False'])
  expect([ready('one')[2], ready('two')[2]]).toEqual([1, 1])
})
