// The command line that becomes a container: namespaces, mounts, a new root, then the program as
// pid 1. Everything is done by util-linux and sh, which every Debian and Ubuntu has.
import type { Capabilities, ContainerUser, Privileges } from '../runtime.ts'

/**
 * Descriptors: 0 and 1 the program's own, 2 what the tools complain about, 3 the program's stderr,
 * 4 the report: "ok", or why it could not start. So no tool ever writes into a container's log.
 * PATH and the environment of the program apply only from the last exec on.
 */
export const descriptors = { stdin: 0, stdout: 1, tools: 2, stderr: 3, report: 4 } as const

const containerScript = `
fail() { printf '%s\\n' "$*" >&4; exit 128; }
out=$(mount -a -T "$SP_FSTAB" 2>&1) || fail "cannot mount the file system: $out"
cd "$SP_ROOT" && pivot_root . .old && cd / || fail "cannot change the root directory"
umount -l /.old || fail "cannot leave the old root directory"
rmdir /.old 2>&-
[ -d "$SP_CWD" ] || mkdir -p "$SP_CWD" 2>&-
cd "$SP_CWD" 2>&- || fail "chdir to cwd (\\"$SP_CWD\\") failed: no such directory"
[ -z "$SP_READONLY" ] || mount -o remount,bind,ro / || fail "cannot make the root directory read-only"
case "$SP_COMMAND" in
*/*)
  [ -e "$SP_COMMAND" ] || fail "exec: \\"$SP_COMMAND\\": stat $SP_COMMAND: no such file or directory"
  [ -x "$SP_COMMAND" ] && [ ! -d "$SP_COMMAND" ] || fail "exec: \\"$SP_COMMAND\\": permission denied" ;;
*)
  IFS=:
  found=
  for dir in $SP_PATH; do
    [ ! -x "$dir/$SP_COMMAND" ] || [ -d "$dir/$SP_COMMAND" ] || { found=1; break; }
  done
  unset IFS
  [ -n "$found" ] || fail "exec: \\"$SP_COMMAND\\": executable file not found in \\$PATH" ;;
esac
echo ok >&4
`

/** As whom a program runs, and what it may. */
export interface Identity {
  readonly user: ContainerUser
  readonly privileges: Privileges
  /** Inside; absent in an image without it, which then runs as root that keeps its capabilities. */
  readonly setpriv: string | undefined
}

export interface LaunchRequest {
  readonly argv: readonly string[]
  readonly env: Readonly<Record<string, string>>
  readonly workingDir: string
  readonly identity: Identity
  readonly readOnlyRootfs: boolean
  readonly tty: boolean
  readonly root: string
  readonly fstab: string
  /** Absent: the container gets a pid namespace of its own. */
  readonly pidNamespaceOf?: number
}

export interface Command {
  readonly argv: readonly [string, ...string[]]
  /** For the tools; the program's environment is in argv. */
  readonly env: Readonly<Record<string, string>>
}

export function containerCommand(request: LaunchRequest, toolPath: string): Command {
  const { pidNamespaceOf } = request
  const namespaces =
    pidNamespaceOf === undefined
      ? ['unshare', '--mount', '--pid', '--fork', '--kill-child', '--']
      : ['nsenter', `--pid=/proc/${pidNamespaceOf}/ns/pid`, '--', 'unshare', '--mount', '--']
  const values = Object.entries(request.env)
  return {
    argv: [
      ...['setpriv', '--pdeathsig', 'KILL', '--'],
      ...namespaces,
      ...['sh', '-c', containerScript + finalExec(request), 'container', ...request.argv],
    ] as [string, ...string[]],
    env: {
      PATH: toolPath,
      SP_ROOT: request.root,
      SP_FSTAB: request.fstab,
      SP_CWD: request.workingDir,
      SP_READONLY: request.readOnlyRootfs ? '1' : '',
      SP_COMMAND: request.argv[0] ?? '',
      SP_PATH: request.env['PATH'] ?? '',
      ...Object.fromEntries(values.map(([, value], index) => [`SP_V${index}`, value])),
    },
  }
}

/**
 * The program's environment stands in the tools' under other names and gets its own ones here, so
 * that no value (it may be a Secret) is in the arguments of a process that stays: anybody on the
 * host may read those. Names that a shell would drop ("a.b") survive that way too.
 */
function finalExec(request: LaunchRequest): string {
  const assignments = Object.keys(request.env).map(
    (name, index) => `${quote(`${name}=`)}"$SP_V${index}"`,
  )
  const words = [
    ...(request.tty ? ['setsid', '--ctty'] : []),
    ...setprivArguments(request.identity),
    ...['env', '-i', ...assignments],
  ]
  return `exec ${words.join(' ')} "$@" 2>&3 3>&- 4>&-\n`
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`
}

/** Ids of root are left alone: a user namespace with a single uid refuses every change. */
function setprivArguments({ user, privileges, setpriv }: Identity): string[] {
  if (setpriv === undefined && isRoot(user)) return []
  const { privileged, capabilities, noNewPrivileges } = privileges
  const options = [
    ...(isRoot(user) ? [] : idOptions(user)),
    ...(privileged ? [] : [`--bounding-set=${boundingSet(capabilities)}`, '--inh-caps=-all']),
    ...(noNewPrivileges ? ['--no-new-privs'] : []),
  ]
  return options.length === 0 ? [] : [setpriv ?? 'setpriv', ...options, '--']
}

function isRoot(user: ContainerUser): boolean {
  return user.uid === 0 && user.gid === 0 && user.groups.length === 0
}

function idOptions({ uid, gid, groups }: ContainerUser): string[] {
  const others = groups.length > 0 ? `--groups=${groups.join(',')}` : '--clear-groups'
  return [`--reuid=${uid}`, `--regid=${gid}`, others]
}

function boundingSet({ from, except }: Capabilities): string {
  const [start, sign] = from === 'all' ? ['+all', '-'] : ['-all', '+']
  return [start, ...except.map((name) => `${sign}${name.toLowerCase()}`)].join(',')
}

/** Runs a command in the namespaces and root of a container, by the pid of its first process. */
export function execCommand(pid: number, argv: readonly string[], identity: Identity): string[] {
  const enter = ['nsenter', '-t', String(pid), '-m', '-u', '-i', '-n', '-p', '-r', '-w']
  return [...enter, '--', ...setprivArguments(identity), ...argv]
}

/** Holds a pid namespace open for the containers of one Pod, and reaps what they leave. */
export const pidHolderCommand: readonly [string, ...string[]] = [
  'setpriv',
  ...['--pdeathsig', 'KILL', '--', 'unshare', '--pid', '--fork', '--kill-child', '--'],
  ...['sh', '-c', 'echo ok >&3; while :; do sleep 2147483647 & wait $!; done'],
]

export interface Ending {
  readonly exitCode: number
  readonly signal?: number
}

/**
 * The program's end, read from that of the helper above it. util-linux 2.38 loses the signal when
 * pid 1 is killed: its `unshare` then exits 1 and says that sigprocmask failed.
 */
export function endingOf(
  code: number | null,
  signal: number | undefined,
  toolText: string,
): Ending {
  if (signal !== undefined) return { exitCode: 128 + signal, signal }
  if (code === 1 && toolText.includes('sigprocmask')) return { exitCode: 137, signal: 9 }
  return { exitCode: code ?? 255 }
}
