// Finds out, once per node and by trying, how the host's directories can be shown to containers.
import { execFile } from 'node:child_process'
import { existsSync, lstatSync, mkdirSync, readlinkSync, rmSync } from 'node:fs'
import { promisify } from 'node:util'
import { inUserNamespace } from '../../linux/mount.ts'
import { maskedPaths, readOnlyPaths } from './guards.ts'
import type { HostView } from './rootfs.ts'

const run = promisify(execFile)

/** Everything of a Linux root that programs are made of; the rest, homes too, starts empty. */
const topDirectories = [
  ...['bin', 'sbin', 'lib', 'lib32', 'lib64', 'libx32'],
  ...['usr', 'etc', 'var', 'opt', 'srv'],
]

/**
 * Prints "NAME overlay" for each directory that an overlay can be mounted on, "sysfs own", and
 * "PATH guarded" for each path of a /proc of its own and /sys that can be bound read-only.
 */
const tryMounts = `
for name in "$@"; do
  mkdir -p "$SP_TRY/upper/$name" "$SP_TRY/work/$name"
  mount -t overlay -o "lowerdir=/$name,upperdir=$SP_TRY/upper/$name,workdir=$SP_TRY/work/$name$SP_XATTR" \\
    overlay "$SP_TRY/root" 2>/dev/null && umount "$SP_TRY/root" && echo "$name overlay"
done
mount -t sysfs -o ro,nosuid,nodev,noexec sysfs "$SP_TRY/root" 2>/dev/null && echo "sysfs own"
mount -t proc proc /proc 2>/dev/null && for path in $SP_GUARDS; do
  [ -e "$path" ] && mount -o bind,ro,nosuid,nodev,noexec "$path" "$path" 2>/dev/null && echo "$path guarded"
done
true
`

/** `scratch` must lie on the file system that containers will write to. */
export async function probeHostView(scratch: string): Promise<HostView> {
  const links: Record<string, string> = {}
  const directories: string[] = []
  for (const name of topDirectories) {
    const kind = lstatSync(`/${name}`, { throwIfNoEntry: false })
    if (kind?.isSymbolicLink()) links[name] = readlinkSync(`/${name}`)
    else if (kind?.isDirectory()) directories.push(name)
  }
  const userxattr = inUserNamespace()
  const guards = [...readOnlyPaths, ...maskedPaths]
  mkdirSync(`${scratch}/root`, { recursive: true })
  const env = {
    PATH: toolPath,
    SP_TRY: scratch,
    SP_XATTR: userxattr ? ',userxattr' : '',
    SP_GUARDS: guards.join(' '),
  }
  const { stdout } = await run(
    'unshare',
    [
      '--mount',
      '--net',
      '--pid',
      '--fork',
      '--kill-child',
      'sh',
      '-c',
      tryMounts,
      'try',
      ...directories,
    ],
    { env },
  )
  rmSync(scratch, { recursive: true, force: true })
  const works = new Set(stdout.split('\n'))
  return {
    links,
    overlays: directories.filter((name) => works.has(`${name} overlay`)),
    binds: directories.filter((name) => !works.has(`${name} overlay`)),
    userxattr,
    ownSysfs: works.has('sysfs own'),
    guarded: guards.filter((path) => works.has(`${path} guarded`)),
  }
}

/** Where the tools of util-linux are; never the PATH somebody set. */
export const toolPath = '/usr/sbin:/usr/bin:/sbin:/bin'

/** The path that a tool has inside a root. */
export function toolIn(root: string, name: string): string | undefined {
  const candidates = toolPath.split(':').map((directory) => `${directory}/${name}`)
  return candidates.find((candidate) => existsSync(`${root}${candidate}`))
}

const found = new Map<string, string>()

/** The tool's own path, for processes whose environment has a PATH of somebody else. */
export function findTool(name: string): string {
  let path = found.get(name)
  if (path === undefined) {
    path = toolIn('', name) ?? name
    found.set(name, path)
  }
  return path
}
