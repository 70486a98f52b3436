// One process to a directory: a file that names its owner by pid and start time, so that the
// lock of a killed process is known to be stale even when its pid is used again.
import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { StoreError } from './store.ts'

/** Takes the lock or throws StoreError "unavailable". Returns what gives it back. */
export function lockDirectory(directory: string): () => void {
  const path = join(directory, 'owner')
  const own = ownerText(process.pid)
  const draft = `${path}.${process.pid}.${Math.floor(process.hrtime()[1])}`
  writeFileSync(draft, own, { mode: 0o600 })
  try {
    // link() fails if the name is taken, and the file is complete from its first moment.
    if (!tryLink(draft, path)) {
      removeIfStale(path, directory)
      if (!tryLink(draft, path)) throw held(directory, readIfThere(path))
    }
  } finally {
    rmSync(draft, { force: true })
  }
  return () => {
    if (readIfThere(path) === own) rmSync(path, { force: true })
  }
}

function tryLink(from: string, to: string): boolean {
  try {
    linkSync(from, to)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}

function removeIfStale(path: string, directory: string): void {
  const seen = readIfThere(path)
  if (seen === '') return
  const pid = Number(seen.split(' ')[0])
  if (Number.isInteger(pid) && seen === ownerText(pid)) throw held(directory, seen)
  const aside = `${path}.stale.${process.pid}`
  try {
    renameSync(path, aside)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return
    throw error
  }
  // Another starter may have replaced the stale file meanwhile: then it goes back.
  if (readIfThere(aside) !== seen) tryLink(aside, path)
  rmSync(aside, { force: true })
}

/** "pid starttime", or "" when there is no such process. */
function ownerText(pid: number): string {
  const stat = readIfThere(`/proc/${pid}/stat`)
  if (stat === '') return ''
  // The command, in parentheses, may hold anything; start time is the 20th field after it.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return `${pid} ${fields[19]}`
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

function held(directory: string, owner: string): StoreError {
  const pid = owner.split(' ')[0] ?? 'unknown'
  return new StoreError(
    'unavailable',
    `cannot open store "${directory}": process ${pid} has it open`,
  )
}
