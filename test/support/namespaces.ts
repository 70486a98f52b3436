// Whether this machine lets us make the namespaces a cluster needs.
import { spawnSync } from 'node:child_process'
import { namespaceCommand } from '../../src/cluster/host.ts'

/** Why not, in a few words; undefined when it does. */
export function namespacesForbidden(): string | undefined {
  const [command = '', ...args] = [...namespaceCommand(process.getuid?.() !== 0), 'true']
  const { status, error, stderr } = spawnSync(command, args, { encoding: 'utf8' })
  if (error) return error.message
  return status === 0 ? undefined : (stderr.trim().split('\n').pop() ?? 'unshare failed')
}
