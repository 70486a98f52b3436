// What the host offers: its resolvers, and whether namespaces may be made.
import { spawnSync } from 'node:child_process'
import * as fs from 'node:fs'
import { createServer, isIP } from 'node:net'
import { ClusterError } from './cluster-error.ts'

/** systemd-resolved's own upstreams: its stub at 127.0.0.53 would only be one hop more. */
const systemdResolvConf = '/run/systemd/resolve/resolv.conf'

export function hostResolvConf(): string {
  return fs.existsSync(systemdResolvConf) ? systemdResolvConf : '/etc/resolv.conf'
}

/** The nameservers of a resolv.conf in order; empty where it has none or is not there. */
export function resolversOf(file: string): readonly string[] {
  try {
    return fs
      .readFileSync(file, 'utf8')
      .split('\n')
      .map((line) => /^\s*nameserver\s+(\S+)/.exec(line)?.[1] ?? '')
      .filter((address) => isIP(address.replace(/%.*/, '')) !== 0)
  } catch {
    return []
  }
}

/** The command that puts the agent into namespaces of its own, which all end with it. */
export function namespaceCommand(rootless: boolean): readonly string[] {
  return [
    'setpriv',
    '--pdeathsig',
    'KILL',
    'unshare',
    ...(rootless ? ['--user', '--map-root-user'] : []),
    '--net',
    '--mount',
    '--pid',
    '--fork',
    '--kill-child',
    '--mount-proc',
  ]
}

/** Why the agent could not be put into namespaces: tried again with `true`, and explained. */
export function explainNamespaces(rootless: boolean): ClusterError {
  const [command = '', ...args] = [...namespaceCommand(rootless), 'true']
  const { status, error, stderr } = spawnSync(command, args, { encoding: 'utf8' })
  if (error) {
    return new ClusterError(
      `cannot run "${command}": ${error.message}; it is part of util-linux, which must be installed`,
    )
  }
  const said = stderr.trim().split('\n').pop() ?? ''
  if (status === 0) return new ClusterError('the node ended before it was ready; see the log')
  return new ClusterError(`cannot make namespaces: ${said}; ${namespaceRemedy(rootless)}`)
}

const restrictions = [
  {
    file: '/proc/sys/kernel/unprivileged_userns_clone',
    value: '0',
    set: 'sysctl -w kernel.unprivileged_userns_clone=1',
  },
  {
    file: '/proc/sys/kernel/apparmor_restrict_unprivileged_userns',
    value: '1',
    set: 'sysctl -w kernel.apparmor_restrict_unprivileged_userns=0',
  },
  {
    file: '/proc/sys/user/max_user_namespaces',
    value: '0',
    set: 'sysctl -w user.max_user_namespaces=15000',
  },
] as const

function namespaceRemedy(rootless: boolean): string {
  if (!rootless) return 'the process needs CAP_SYS_ADMIN; inside a container, run it privileged'
  for (const { file, value, set } of restrictions) {
    if (read(file) === value) return `an administrator can allow it with "${set}"; or run as root`
  }
  return 'this kernel forbids user namespaces to ordinary users; run as root'
}

function read(file: string): string | undefined {
  try {
    return fs.readFileSync(file, 'utf8').trim()
  } catch {
    return undefined
  }
}

/** Before anything is made: a port that another process listens on. 0 is any free one. */
export function refuseTakenPort(host: string, port: number): Promise<void> {
  if (port === 0) return Promise.resolve()
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', (error: NodeJS.ErrnoException) => {
      const cause = error.code === 'EADDRINUSE' ? 'it is taken by another process' : error.message
      reject(
        new ClusterError(
          `cannot listen on ${host}:${port}: ${cause}; choose another port with --port`,
        ),
      )
    })
    server.listen(port, host, () => server.close(() => resolve()))
  })
}
