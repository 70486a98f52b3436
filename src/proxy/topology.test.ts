import { expect, test } from 'vitest'
import { servicePorts } from './serviceports.ts'
import { service, slice } from './test-objects.ts'
import { chooseEndpoints } from './topology.ts'

const node = { name: 'n1', topologyZone: 'a' }

interface Expected {
  readonly cluster: string
  readonly local?: string
  readonly mode?: 'node' | 'zone'
  readonly ignored?: string
}

/** Endpoints as in test-objects.ts, the last number of their addresses in the answer. */
function check(name: string, endpoints: readonly string[], expected: Expected, on = node): void {
  test(`chooseEndpoints(): ${name}`, () => {
    const full = endpoints.map((text) => `10.244.0.${text}`)
    const [port] = servicePorts(service('web', ['80']), [slice(['8080'], full)], {
      family: 'IPv4',
      nodeName: 'n1',
    })
    const choice = chooseEndpoints(port!, on)
    const text = (list: readonly { ip: string }[]) => list.map(({ ip }) => ip.slice(9)).join(' ')
    expect({ cluster: text(choice.cluster), local: text(choice.local), ...choice.hints }).toEqual({
      local: '',
      mode: 'none',
      ...expected,
    })
    expect(choice.anyEndpoints).toBe(expected.cluster !== '')
  })
}

check('all that are ready', ['1', '2 local', '3 unready'], { cluster: '1 2', local: '2' })
check('none', ['1 unready', '2 gone'], { cluster: '' })
check('a draining one never beside a ready one', ['1', '2 draining'], { cluster: '1' })
check('draining ones when nothing is ready', ['1 draining', '2 gone local'], { cluster: '1' })
check('a draining local one for policy Local, though others are ready', ['1', '2 draining local'], {
  cluster: '1',
  local: '2',
})
check('hints for our zone', ['1 zone:a', '2 zone:b', '3 zone:b zone:a'], {
  cluster: '1 3',
  mode: 'zone',
})
check('one without a hint switches zones off', ['1 zone:a', '2'], {
  cluster: '1 2',
  ignored: 'endpoint 10.244.0.2 has no forZones hint',
})
check('nobody hinted for our zone', ['1 zone:b', '2 zone:c'], {
  cluster: '1 2',
  ignored: 'no endpoint is hinted for zone "a"',
})
check(
  'our zone is not known',
  ['1 zone:a'],
  { cluster: '1', ignored: 'the node has no label topology.kubernetes.io/zone' },
  { name: 'n1' } as typeof node,
)
check('hints for our node go before those for the zone', ['1 node:n1 zone:b', '2 node:n2 zone:a'], {
  cluster: '1',
  mode: 'node',
})
check('no node hint names us: the zone decides', ['1 node:n3 zone:b', '2 node:n2 zone:a'], {
  cluster: '2',
  mode: 'zone',
})
check('an unready one needs no hint', ['1 zone:a', '2 unready'], { cluster: '1', mode: 'zone' })
check('hints do not reach policy Local', ['1 zone:a', '2 local zone:b'], {
  cluster: '1',
  local: '2',
  mode: 'zone',
})
check('hints do not reach the draining', ['1 draining zone:b', '2 draining zone:a'], {
  cluster: '1 2',
})
