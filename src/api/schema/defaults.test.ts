import { expect, test } from 'vitest'
import { decode } from './decode.ts'
import { applyDefaults } from './defaults.ts'

function check(struct: string, given: unknown, expected: unknown): void {
  const object = decode<object>(struct, given)
  applyDefaults(struct, object)
  expect(object).toMatchObject(expected as object)
}

test('applyDefaults() fills lists deep inside, and only what is not set', () => {
  const ports = [{ containerPort: 53 }, { containerPort: 53, protocol: 'UDP' }]
  check(
    'core.v1.Pod',
    { spec: { containers: [{ name: 'c', ports }] } },
    {
      spec: {
        containers: [{ ports: [{ protocol: 'TCP' }, { protocol: 'UDP' }] }],
      },
    },
  )
})

test('applyDefaults() sets pointers to zero values, which are written', () => {
  const azureDisk = { diskName: 'd', diskURI: 'u' }
  check(
    'core.v1.Pod',
    { spec: { containers: [], volumes: [{ name: 'v', azureDisk }] } },
    { spec: { volumes: [{ azureDisk: { readOnly: false, kind: 'Shared', fsType: 'ext4' } }] } },
  )
  check('core.v1.GRPCAction', { port: 1 }, { service: '' })
})

test('applyDefaults() knows the replicas of a ReplicationController', () =>
  check('core.v1.ReplicationController', { spec: {} }, { spec: { replicas: 1 } }))
