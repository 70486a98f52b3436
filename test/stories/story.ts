// A story: a text of commands and what they print, one block after another.
//
//   # what it is about
//   apply                      a command; indented lines below it are its input
//     kind: Service
//   dig A web.default.svc.cluster.local
//   ----                       what the commands above print, up to an empty line
//   NOERROR

export interface Command {
  readonly words: readonly string[]
  readonly input: string
  readonly line: number
}

export interface Block {
  /** As written, comments among them. */
  readonly lines: readonly string[]
  readonly commands: readonly Command[]
  /** Whether there is a "----" below the commands. */
  readonly prints: boolean
}

const divider = '----'

export function parseStory(text: string): readonly Block[] {
  const blocks: Block[] = []
  let lines: string[] = []
  let start = 1
  const finish = (next: number) => {
    if (lines.length > 0) blocks.push(parseBlock(lines, start))
    lines = []
    start = next
  }
  for (const [index, line] of text.split('\n').entries()) {
    if (line.trim() === '') finish(index + 2)
    else lines.push(line)
  }
  finish(0)
  return blocks
}

function parseBlock(lines: readonly string[], start: number): Block {
  const end = lines.indexOf(divider)
  const written = end < 0 ? lines : lines.slice(0, end)
  const commands: { words: readonly string[]; input: string[]; line: number }[] = []
  for (const [index, line] of written.entries()) {
    if (line.startsWith('#')) continue
    if (!line.startsWith('  ')) {
      commands.push({ words: line.split(/\s+/), input: [], line: start + index })
      continue
    }
    const last = commands.at(-1)
    if (!last) throw new Error(`line ${start + index} is the input of no command`)
    last.input.push(line.slice(2))
  }
  return {
    lines: written,
    commands: commands.map((command) => ({ ...command, input: command.input.join('\n') })),
    prints: end >= 0,
  }
}

/** The story with what its blocks printed. A block that prints needs no divider beforehand. */
export function formatStory(blocks: readonly Block[], outputs: readonly string[]): string {
  const texts = blocks.map(({ lines, prints }, index) => {
    const output = outputs[index] ?? ''
    const shown = prints || output !== '' ? [divider, ...(output === '' ? [] : [output])] : []
    return [...lines, ...shown].join('\n')
  })
  return `${texts.join('\n\n')}\n`
}
