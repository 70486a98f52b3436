// Runs the ```console blocks of a Markdown file: lines that begin with "$ " are commands, what
// follows is their output. "..." matches anything: inside a line, or alone any number of lines.
import { readFileSync } from 'node:fs'

export interface ConsoleStep {
  readonly line: number
  readonly command: string
  readonly expected: readonly string[]
}

export function consoleSteps(file: string): ConsoleStep[] {
  const steps: { line: number; command: string; expected: string[] }[] = []
  let inside = false
  for (const [index, text] of readFileSync(file, 'utf8').split('\n').entries()) {
    if (text.startsWith('```')) inside = !inside && text.trim() === '```console'
    else if (!inside) continue
    else if (text.startsWith('$ '))
      steps.push({ line: index + 1, command: text.slice(2), expected: [] })
    else if (text.startsWith('> ')) steps.at(-1)!.command += `\n${text.slice(2)}`
    else steps.at(-1)!.expected.push(text)
  }
  return steps
}

const escape = (text: string) => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')

/** Whether an output is what a block shows; runs of blanks count as one, as columns vary in width. */
export function matches(expected: readonly string[], output: string): boolean {
  const fold = (text: string) => text.replace(/[ \t]+/g, ' ').trimEnd()
  const pattern = expected
    .map(fold)
    .map((line) =>
      line === '...' ? '(?:.*\n)*?' : `${line.split('...').map(escape).join('.*?')}\n`,
    )
    .join('')
  const actual = output.trimEnd().split('\n').map(fold).join('\n')
  return new RegExp(`^${pattern}$`).test(output.trim() === '' ? '' : `${actual}\n`)
}
