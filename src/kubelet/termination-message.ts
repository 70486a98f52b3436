// What a container said last: its termination log, or the end of its output if it failed silently.
import type { Container } from '../api/types/core.gen.ts'

export const maxMessageBytes = 4096
export const maxFallbackBytes = 64 * 1024
const fallbackLines = 80
const fallbackBytes = 2048

export interface LastWords {
  /** The termination log. */
  readonly own: string
  /** The end of the container's log file, asked for only if needed. */
  log(): string
}

export function terminationMessage(
  container: Container,
  exitCode: number,
  words: LastWords,
): string {
  const silent = words.own === '' && exitCode !== 0
  if (!silent || container.terminationMessagePolicy !== 'FallbackToLogsOnError') return words.own
  const lines = words
    .log()
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.split(' ').slice(3).join(' '))
  if (lines.length === 0) return ''
  return Buffer.from(`${lines.slice(-fallbackLines).join('\n')}\n`)
    .subarray(-fallbackBytes)
    .toString('utf8')
}
