// Runs the stories beside this file: the whole control plane in memory, against golden text.
// `npx vitest run test/stories --update` (or UPDATE_STORIES=1) writes what they print; review the diff.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import * as path from 'node:path'
import { describe, expect, test } from 'vitest'
import type { TestClusterConfig } from '../../src/testkit/testkit.ts'
import { runCommand } from './steps.ts'
import type { Command } from './story.ts'
import { formatStory, parseStory } from './story.ts'
import { startWorld } from './world.ts'

const directory = import.meta.dirname

/** "cluster nodes=n1,n2 dual-stack", the first command of a story that wants another cluster. */
function configOf(command: Command | undefined): TestClusterConfig {
  if (command?.words[0] !== 'cluster') return {}
  const nodes = command.words.find((word) => word.startsWith('nodes='))?.slice('nodes='.length)
  return {
    ...(nodes === undefined ? {} : { nodes: nodes.split(',') }),
    ...(command.words.includes('dual-stack') ? { dualStack: true } : {}),
  }
}

async function play(text: string): Promise<string> {
  const blocks = parseStory(text)
  const world = await startWorld(configOf(blocks[0]?.commands[0]))
  try {
    const outputs: string[] = []
    for (const { commands } of blocks) {
      const printed: string[] = []
      for (const command of commands) {
        if (command.words[0] !== 'cluster') printed.push(await runCommand(world, command))
      }
      outputs.push(printed.filter((output) => output !== '').join('\n'))
    }
    return formatStory(blocks, outputs)
  } finally {
    await world.stop()
  }
}

describe('story', () => {
  for (const name of readdirSync(directory).filter((file) => file.endsWith('.story'))) {
    const file = path.join(directory, name)
    const text = readFileSync(file, 'utf8')
    const title = /^# (.*)/.exec(text)?.[1]
    test(`${name}: ${title}`, async () => {
      const played = await play(text)
      if (process.env['UPDATE_STORIES']) writeFileSync(file, played)
      else await expect(played).toMatchFileSnapshot(file)
    })
  }
})

test('a story that tells something else than happens fails', async () => {
  const told = 'dig A nothing.default.svc.cluster.local\n----\nNOERROR\n'
  expect(await play(told)).toBe('dig A nothing.default.svc.cluster.local\n----\nNXDOMAIN\n')
})
