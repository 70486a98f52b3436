// What a container may do, from its securityContext: capabilities as CRI runtimes give them.
import type { Container } from '../api/types/core.gen.ts'
import type { Capabilities, Privileges } from './runtime.ts'

/** What root in a container can do unless its spec says otherwise. */
const defaults: readonly string[] = [
  ...['AUDIT_WRITE', 'CHOWN', 'DAC_OVERRIDE', 'FOWNER', 'FSETID', 'KILL', 'MKNOD'],
  ...['NET_BIND_SERVICE', 'NET_RAW', 'SETFCAP', 'SETGID', 'SETPCAP', 'SETUID', 'SYS_CHROOT'],
]

const known = new Set([
  ...defaults,
  ...['AUDIT_CONTROL', 'AUDIT_READ', 'BLOCK_SUSPEND', 'BPF', 'CHECKPOINT_RESTORE'],
  ...['DAC_READ_SEARCH', 'IPC_LOCK', 'IPC_OWNER', 'LEASE', 'LINUX_IMMUTABLE', 'MAC_ADMIN'],
  ...['MAC_OVERRIDE', 'NET_ADMIN', 'NET_BROADCAST', 'PERFMON', 'SYS_ADMIN', 'SYS_BOOT'],
  ...['SYS_MODULE', 'SYS_NICE', 'SYS_PACCT', 'SYS_PTRACE', 'SYS_RAWIO', 'SYS_RESOURCE'],
  ...['SYS_TIME', 'SYS_TTY_CONFIG', 'SYSLOG', 'WAKE_ALARM'],
])

const all = 'ALL'

/** Throws for a capability that no kernel knows. */
export function privilegesOf({ securityContext: own }: Container): Privileges {
  const { add = [], drop = [] } = own?.capabilities ?? {}
  const privileged = own?.privileged ?? false
  return {
    privileged,
    capabilities: privileged ? everything : capabilitiesOf(add.map(nameOf), drop.map(nameOf)),
    noNewPrivileges: own?.allowPrivilegeEscalation === false,
  }
}

const everything: Capabilities = { from: 'all', except: [] }

/** ALL is where to begin, dropping it weighing more; then names are added, then dropped. */
function capabilitiesOf(add: readonly string[], drop: readonly string[]): Capabilities {
  if (add.includes(all) && !drop.includes(all)) {
    return { from: 'all', except: drop.toSorted() }
  }
  const names = new Set([...(drop.includes(all) ? [] : defaults), ...add])
  for (const name of [...drop, all]) names.delete(name)
  return { from: 'none', except: [...names].toSorted() }
}

function nameOf(capability: string): string {
  const name = capability.toUpperCase().replace(/^CAP_/, '')
  if (name !== all && !known.has(name)) throw new Error(`unknown capability "CAP_${name}"`)
  return name
}
