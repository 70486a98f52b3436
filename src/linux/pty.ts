// Pseudo-terminals from a devpts of our own, so that `tty` inside a container names its terminal.
import { closeSync, constants, openSync } from 'node:fs'
import { ReadStream } from 'node:tty'
import { syscall } from './ffi.ts'

const TIOCSPTLCK = 0x40045431
const TIOCGPTN = 0x80045430
const TIOCSWINSZ = 0x5414

export interface WindowSize {
  readonly columns: number
  readonly rows: number
}

export interface Pty {
  readonly masterFd: number
  /** Close it once the child has it: the master sees the end only when every copy is closed. */
  readonly slaveFd: number
}

/** Opens a pair in the devpts mounted at the given directory. */
export function openPty(devptsDirectory: string): Pty {
  const masterFd = openSync(`${devptsDirectory}/ptmx`, constants.O_RDWR | constants.O_NOCTTY)
  try {
    const word = Buffer.alloc(4)
    syscall('ioctl', masterFd, TIOCSPTLCK, word)
    syscall('ioctl', masterFd, TIOCGPTN, word)
    const slave = `${devptsDirectory}/${word.readInt32LE(0)}`
    return { masterFd, slaveFd: openSync(slave, constants.O_RDWR | constants.O_NOCTTY) }
  } catch (error) {
    closeSync(masterFd)
    throw error
  }
}

/** The kernel sends SIGWINCH to the foreground job. */
export function resizePty(masterFd: number, size: WindowSize): void {
  const winsize = Buffer.alloc(8)
  winsize.writeUInt16LE(size.rows & 0xffff, 0)
  winsize.writeUInt16LE(size.columns & 0xffff, 2)
  syscall('ioctl', masterFd, TIOCSWINSZ, winsize)
}

/** A stream over the master, both ways. Its end shows as the error EIO, which is no failure. */
export function ptyStream(masterFd: number): ReadStream {
  return new ReadStream(masterFd, { readable: true, writable: true })
}
