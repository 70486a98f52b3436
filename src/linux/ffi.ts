// The C library, called from TypeScript: one table of prototypes, one way to call them, one error.
// koffi is loaded on first use only, so that everything which never asks the kernel runs without it.
import { createRequire } from 'node:module'
import { constants } from 'node:os'
import { getSystemErrorMap } from 'node:util'

/** What a prototype below takes; `null` is NULL. Buffers are passed in place and may be written to. */
export type Argument = number | bigint | string | Uint8Array | null

/** koffi knows size_t but not ssize_t; `long` has the same width on every Linux we run on. */
const prototypes = {
  socket: 'int socket(int, int, int)',
  socketpair: 'int socketpair(int, int, int, void *)',
  bind: 'int bind(int, const void *, uint32_t)',
  getsockname: 'int getsockname(int, void *, void *)',
  getsockopt: 'int getsockopt(int, int, int, void *, void *)',
  setsockopt: 'int setsockopt(int, int, int, const void *, uint32_t)',
  sendto: 'long sendto(int, const void *, size_t, int, const void *, uint32_t)',
  recv: 'long recv(int, void *, size_t, int)',
  recvmmsg: 'int recvmmsg(int, void *, unsigned int, int, void *)',
  sendmmsg: 'int sendmmsg(int, void *, unsigned int, int)',
  shutdown: 'int shutdown(int, int)',
  poll: 'int poll(void *, unsigned long, int)',
  pipe2: 'int pipe2(void *, int)',
  dup3: 'int dup3(int, int, int)',
  close: 'int close(int)',
  setns: 'int setns(int, int)',
  unshare: 'int unshare(int)',
  mount: 'int mount(const char *, const char *, const char *, unsigned long, const void *)',
  umount2: 'int umount2(const char *, int)',
  chroot: 'int chroot(const char *)',
  sethostname: 'int sethostname(const char *, size_t)',
  ioctl: 'int ioctl(int, unsigned long, void *)',
  prctl: 'int prctl(int, unsigned long, unsigned long, unsigned long, unsigned long)',
} as const

export type SyscallName = keyof typeof prototypes

/** A kernel call that failed. Branch on `code` ("EPERM", "ENOENT"), never on the text. */
export class SystemError extends Error {
  override readonly name = 'SystemError'
  readonly code: string
  readonly errno: number
  /** The call, or for netlink the operation, that failed. */
  readonly operation: string

  constructor(operation: string, errno: number, detail?: string) {
    super(`${operation}: ${detail ?? describeErrno(errno)}`)
    this.code = errnoName(errno)
    this.errno = errno
    this.operation = operation
  }
}

/** "EPERM" for 1; "E524" for the few numbers the kernel keeps to itself. */
export function errnoName(errno: number): string {
  return getSystemErrorMap().get(-errno)?.[0] ?? `E${errno}`
}

/** "EPERM, operation not permitted". */
export function describeErrno(errno: number): string {
  const entry = getSystemErrorMap().get(-errno)
  return entry ? `${entry[0]}, ${entry[1]}` : `error ${errno}`
}

interface ForeignFunction {
  (...args: readonly Argument[]): number
  async(...args: readonly unknown[]): void
}

interface Koffi {
  load(path: null): { func(prototype: string): ForeignFunction }
  errno(): number
  address(bytes: Uint8Array): bigint
}

let loaded: { koffi: Koffi; functions: Map<SyscallName, ForeignFunction> } | undefined
let library: { func(prototype: string): ForeignFunction } | undefined

function load(): { koffi: Koffi; functions: Map<SyscallName, ForeignFunction> } {
  if (loaded) return loaded
  try {
    const koffi = createRequire(import.meta.url)('koffi') as Koffi
    // NULL is the running program, which has libc in it, glibc and musl alike.
    library = koffi.load(null)
    loaded = { koffi, functions: new Map() }
    return loaded
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new SystemError(
      'cannot call the kernel',
      constants.errno.ENOSYS,
      `the native module "koffi" does not load on ${process.platform}-${process.arch} (${reason})`,
    )
  }
}

function functionOf(name: SyscallName): ForeignFunction {
  const { functions } = load()
  let found = functions.get(name)
  if (!found) {
    found = library!.func(prototypes[name])
    functions.set(name, found)
  }
  return found
}

/** True when kernel calls are possible at all; the reason is what `syscall` would throw. */
export function ffiAvailable(): boolean {
  try {
    load()
    return true
  } catch {
    return false
  }
}

/** The result, or minus errno. For calls whose failure is an ordinary answer (EAGAIN). */
export function trySyscall(name: SyscallName, ...args: readonly Argument[]): number {
  const call = functionOf(name)
  for (;;) {
    const result = call(...args)
    if (result >= 0) return result
    const errno = loaded!.koffi.errno()
    if (errno !== constants.errno.EINTR) return -errno
  }
}

/** The result; throws SystemError when the call fails. Calls interrupted by a signal are repeated. */
export function syscall(name: SyscallName, ...args: readonly Argument[]): number {
  const result = trySyscall(name, ...args)
  if (result < 0) throw new SystemError(name, -result)
  return result
}

/**
 * Where the bytes lie, for structures that hold pointers. Only for memory of its own (no slice of
 * Node's buffer pool), which the caller keeps alive for as long as the kernel may use it.
 */
export function addressOf(bytes: Uint8Array): bigint {
  return load().koffi.address(bytes)
}

/**
 * Runs the call on a thread of libuv's pool, which it occupies until it returns: give every wait
 * a time limit. Namespaces entered with setns on this thread do not hold there; open descriptors do.
 */
export function syscallInPool(name: SyscallName, ...args: readonly Argument[]): Promise<number> {
  const call = functionOf(name)
  return new Promise((resolve, reject) => {
    call.async(...args, (error: Error | null, result: number) => {
      if (error) reject(error)
      else resolve(result)
    })
  })
}
