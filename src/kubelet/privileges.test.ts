import { describe, expect, it } from 'vitest'
import type { Container } from '../api/types/core.gen.ts'
import { privilegesOf } from './privileges.ts'

const defaults =
  'AUDIT_WRITE CHOWN DAC_OVERRIDE FOWNER FSETID KILL MKNOD NET_BIND_SERVICE NET_RAW SETFCAP SETGID SETPCAP SETUID SYS_CHROOT'

type SecurityContext = NonNullable<Container['securityContext']>

/** "none but A B", "all but A". */
function check(securityContext: SecurityContext, expected: string): void {
  const { capabilities } = privilegesOf({ name: 'app', securityContext })
  expect(`${capabilities.from} but ${capabilities.except.join(' ')}`.trim()).toBe(expected)
}

describe('privilegesOf()', () => {
  it('is the default set, with what is added and without what is dropped', () => {
    check({}, `none but ${defaults}`)
    check({ capabilities: { drop: ['NET_RAW'] } }, `none but ${defaults.replace('NET_RAW ', '')}`)
    check({ capabilities: { add: ['cap_wake_alarm'] } }, `none but ${defaults} WAKE_ALARM`)
    check({ capabilities: { add: ['SYS_TIME'], drop: ['SYS_TIME'] } }, `none but ${defaults}`)
  })

  it('begins with nothing or everything where ALL is named, dropping it weighing more', () => {
    check(
      { capabilities: { drop: ['ALL'], add: ['NET_BIND_SERVICE'] } },
      'none but NET_BIND_SERVICE',
    )
    check({ capabilities: { add: ['ALL'], drop: ['SYS_ADMIN'] } }, 'all but SYS_ADMIN')
    check({ capabilities: { add: ['ALL'], drop: ['all'] } }, 'none but')
  })

  it('is everything for a privileged container', () => {
    check({ privileged: true, capabilities: { drop: ['ALL'] } }, 'all but')
  })

  it('refuses names that no kernel knows', () => {
    expect(() => check({ capabilities: { add: ['NET_BINDING'] } }, '')).toThrow(
      'unknown capability "CAP_NET_BINDING"',
    )
  })

  it('takes away the ways to gain privileges only when asked', () => {
    const of = (allowPrivilegeEscalation?: boolean) =>
      privilegesOf({
        name: 'app',
        securityContext: allowPrivilegeEscalation === undefined ? {} : { allowPrivilegeEscalation },
      }).noNewPrivileges
    expect([of(), of(true), of(false)]).toEqual([false, false, true])
  })
})
