// What a container said last: its termination log, or the end of its output if it failed silently.
import { readFileSync } from 'node:fs'
import type { Container } from '../api/types/core.gen.ts'

const maxMessageBytes = 4096
const fallbackLines = 80
const fallbackBytes = 2048

export function terminationMessage(
  container: Container,
  exitCode: number,
  files: { readonly terminationLog: string; readonly logPath: string },
): string {
  const own = readTail(files.terminationLog, maxMessageBytes)
  if (own !== '' || exitCode === 0) return own
  if (container.terminationMessagePolicy !== 'FallbackToLogsOnError') return own
  const lines = readTail(files.logPath, 64 * 1024)
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.split(' ').slice(3).join(' '))
  return Buffer.from(`${lines.slice(-fallbackLines).join('\n')}\n`)
    .subarray(-fallbackBytes)
    .toString('utf8')
}

function readTail(path: string, bytes: number): string {
  try {
    return readFileSync(path).subarray(-bytes).toString('utf8')
  } catch {
    return ''
  }
}
