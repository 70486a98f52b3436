// Mounts: the few this process makes itself, and the table in which a container's are written down.
import { readFileSync } from 'node:fs'
import { syscall, trySyscall } from './ffi.ts'

const MS_NOSUID = 2
const MS_BIND = 4096
const MNT_DETACH = 2

export function mountTmpfs(target: string, options: string): void {
  syscall('mount', 'tmpfs', target, 'tmpfs', MS_NOSUID, options)
}

export function mountBind(source: string, target: string): void {
  syscall('mount', source, target, null, MS_BIND, null)
}

/** A devpts of its own: terminals of others cannot be seen, and /dev/ptmx opens in it. */
export function mountDevpts(target: string): void {
  syscall('mount', 'devpts', target, 'devpts', MS_NOSUID, 'newinstance,ptmxmode=0666,mode=0620')
}

/** Takes a mount out of sight at once; it ends with its last user. False when there was none. */
export function unmount(target: string): boolean {
  return trySyscall('umount2', target, MNT_DETACH) === 0
}

/** Mount points at or below a directory, innermost first. */
export function mountsBelow(directory: string): string[] {
  return readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .map((line) => decodeField(line.split(' ')[4] ?? ''))
    .filter((target) => target === directory || target.startsWith(`${directory}/`))
    .reverse()
}

export interface MountEntry {
  readonly source: string
  readonly target: string
  /** A file system type; "none" for a bind. */
  readonly type: string
  readonly options: readonly string[]
}

/** What `mount -a -T` reads. */
export function formatFstab(entries: readonly MountEntry[]): string {
  return entries
    .map(({ source, target, type, options }) =>
      [
        encodeField(source),
        encodeField(target),
        type,
        options.map(encodeField).join(','),
        '0 0',
      ].join(' '),
    )
    .map((line) => `${line}\n`)
    .join('')
}

function encodeField(text: string): string {
  return text.replace(
    /[ \t\n\\]/g,
    (char) => `\\${char.charCodeAt(0).toString(8).padStart(3, '0')}`,
  )
}

function decodeField(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, octal: string) =>
    String.fromCharCode(Number.parseInt(octal, 8)),
  )
}

/** Whether this process is in a user namespace that maps less than the whole host. */
export function inUserNamespace(): boolean {
  const [inside, outside, length] = readFileSync('/proc/self/uid_map', 'utf8').trim().split(/\s+/)
  return !(inside === '0' && outside === '0' && Number(length) >= 4294967295)
}
