// Which processes a process has started.
import * as fs from 'node:fs'

/** The process and all below it. */
export function descendants(pid: number): number[] {
  const children = tasksOf(pid)
    .flatMap((task) => readText(`/proc/${pid}/task/${task}/children`).trim().split(' '))
    .filter((child) => child !== '')
    .map(Number)
  return [pid, ...children.flatMap(descendants)]
}

function tasksOf(pid: number): string[] {
  try {
    return fs.readdirSync(`/proc/${pid}/task`)
  } catch {
    return []
  }
}

export function readText(file: string): string {
  try {
    return fs.readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}
