// All that a person reads on the terminal is written here. Colour only where it is wanted
// (NO_COLOR, FORCE_COLOR and terminals are picocolors' business).
import colors from 'picocolors'

/** Ends the program with one line on standard error. */
export class CliError extends Error {
  readonly exitCode: number

  constructor(message: string, exitCode = 1) {
    super(message)
    this.exitCode = exitCode
  }
}

export function print(text: string): void {
  process.stdout.write(`${text}\n`)
}

export function printError(text: string): void {
  process.stderr.write(`${colors.red('error:')} ${text}\n`)
}

/** " ✓ API server   https://127.0.0.1:6443   0.31 s" */
export function printStep(title: string, detail: string, seconds: number): void {
  print(
    ` ${colors.green('✓')} ${title.padEnd(12)} ${detail.padEnd(52)} ${colors.dim(`${seconds.toFixed(2)} s`)}`,
  )
}

export const bold = (text: string): string => colors.bold(text)
export const dim = (text: string): string => colors.dim(text)
