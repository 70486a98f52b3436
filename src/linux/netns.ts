// Namespaces held by descriptors: made, entered and left on the main thread, all synchronously.
// A sandbox is a set of such descriptors and needs no process of its own; it ends with the last of them.
import { closeSync, openSync } from 'node:fs'
import { SystemError, syscall, trySyscall } from './ffi.ts'

export const CLONE_NEWUTS = 0x04000000
export const CLONE_NEWIPC = 0x08000000
export const CLONE_NEWNET = 0x40000000

const kinds = { net: CLONE_NEWNET, uts: CLONE_NEWUTS, ipc: CLONE_NEWIPC } as const

export type NamespaceKind = keyof typeof kinds

/** Open descriptors of namespaces; a kind that is absent is the process's own. */
export type Namespaces = Readonly<Partial<Record<NamespaceKind, number>>>

/** The namespaces this process was started in; opened once, before the first switch. */
const own = new Map<NamespaceKind, number>()

function ownNamespace(kind: NamespaceKind): number {
  let fd = own.get(kind)
  if (fd === undefined) {
    fd = openReturnable(kind)
    own.set(kind, fd)
  }
  return fd
}

/**
 * In a user namespace the host's uts and ipc namespaces can be left but not entered again. Then the
 * thread moves into copies first. Not so for the network: a new one would be without links.
 */
function openReturnable(kind: NamespaceKind): number {
  const path = `/proc/thread-self/ns/${kind}`
  const fd = openSync(path, 'r')
  const failed = trySyscall('setns', fd, kinds[kind])
  if (failed === 0) return fd
  closeSync(fd)
  if (kind === 'net') throw new SystemError('cannot re-enter the network namespace', -failed)
  syscall('unshare', kinds[kind])
  return openSync(path, 'r')
}

/** Runs a synchronous function with the thread in namespaces it has just made, and returns them. */
export function createNamespaces(
  wanted: readonly NamespaceKind[],
  inside: () => void = () => {},
): Namespaces {
  for (const kind of wanted) ownNamespace(kind)
  const created: Partial<Record<NamespaceKind, number>> = {}
  syscall(
    'unshare',
    wanted.reduce((flags, kind) => flags | kinds[kind], 0),
  )
  try {
    for (const kind of wanted) created[kind] = openSync(`/proc/thread-self/ns/${kind}`, 'r')
    inside()
    return created
  } catch (error) {
    closeNamespaces(created)
    throw error
  } finally {
    comeBack(wanted)
  }
}

/**
 * Runs a synchronous function with the thread in the given namespaces: sockets it opens and
 * processes it spawns stay there. Nothing may be awaited inside, and nothing of it may run on
 * libuv's pool (fs.promises, dns.lookup), whose threads never leave the process's own namespaces.
 */
export function inNamespaces<T>(namespaces: Namespaces, inside: () => T): T {
  const entered: NamespaceKind[] = []
  try {
    for (const kind of Object.keys(kinds) as NamespaceKind[]) {
      const fd = namespaces[kind]
      if (fd === undefined) continue
      ownNamespace(kind)
      syscall('setns', fd, kinds[kind])
      entered.push(kind)
    }
    return inside()
  } finally {
    comeBack(entered)
  }
}

export function inNetns<T>(fd: number, inside: () => T): T {
  return inNamespaces({ net: fd }, inside)
}

export function closeNamespaces(namespaces: Namespaces): void {
  for (const fd of Object.values(namespaces)) closeSync(fd)
}

export function setHostname(hostname: string): void {
  syscall('sethostname', hostname, Buffer.byteLength(hostname))
}

/** A thread that cannot return would do everything else in the wrong place: better no process. */
function comeBack(entered: readonly NamespaceKind[]): void {
  for (const kind of entered) {
    try {
      syscall('setns', ownNamespace(kind), kinds[kind])
    } catch {
      process.abort()
    }
  }
}
