// Runs a program of scenarios in network namespaces of its own, as root and rootless, and turns
// each line it prints into a test. Says so where the kernel does not allow it.
import { execFileSync, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'

export interface Program {
  readonly title: string
  /** Beside this file. */
  readonly file: string
  readonly args?: readonly string[]
  /** Fails when scenarios went missing, as they do when the program dies half-way. */
  readonly scenarios: number
  readonly tools?: readonly string[]
  readonly needsNftables?: boolean
  /** Not also as root. */
  readonly onlyRootless?: boolean
}

interface Outcome {
  readonly name: string
  readonly error?: string
}

const limitMs = 120_000
const rootless = ['unshare', '--user', '--map-root-user', '--net']
const nftablesProbe = [
  `import { openNftables } from './src/linux/nftables/apply.ts'`,
  `openNftables({ family: 'ip', name: 'probe' }).apply([{ type: 'addTable' }])`,
].join('\n')

export async function runScenarios(program: Program): Promise<void> {
  const isRoot = process.getuid?.() === 0
  const variants = [
    ...(isRoot && !program.onlyRootless ? [{ as: 'as root', enter: ['unshare', '--net'] }] : []),
    { as: 'rootless', enter: rootless },
  ]
  for (const { as, enter } of variants) {
    const title = `${program.title}, ${as}`
    const reason = obstacle(program, enter)
    if (reason === undefined) report(title, program.scenarios, await run(program, enter))
    else test.skip(`${title}: ${reason}`, () => {})
  }
}

function report(title: string, expected: number, outcomes: readonly Outcome[]): void {
  describe(title, () => {
    test('ran every scenario', () => {
      expect(outcomes.length).toBe(expected)
    })
    for (const { name, error } of outcomes) test(name, () => expect(error).toBeUndefined())
  })
}

/** Why this machine cannot run it; undefined when it can. */
function obstacle(program: Program, enter: readonly string[]): string | undefined {
  for (const tool of ['unshare', ...(program.tools ?? [])]) {
    if (!succeeds(['sh', '-c', `command -v ${tool}`])) return `${tool} is not installed`
  }
  if (!succeeds([...enter, 'true'])) return 'the kernel forbids these namespaces'
  if (!program.needsNftables) return undefined
  const node = [process.execPath, '--import', 'tsx', '--input-type=module', '--eval', nftablesProbe]
  return succeeds([...enter, ...node]) ? undefined : 'the kernel has no nf_tables for us'
}

function succeeds([command, ...args]: readonly string[]): boolean {
  try {
    execFileSync(command!, args, { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

async function run({ file, args = [] }: Program, enter: readonly string[]): Promise<Outcome[]> {
  const path = fileURLToPath(new URL(file, import.meta.url))
  const node = [process.execPath, '--import', 'tsx', path, ...args]
  const child = spawn(enter[0]!, [...enter.slice(1), ...node], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const timer = setTimeout(() => child.kill('SIGKILL'), limitMs)
  const outcomes: Outcome[] = []
  for await (const line of createInterface({ input: child.stdout }))
    outcomes.push(JSON.parse(line) as Outcome)
  clearTimeout(timer)
  return outcomes
}
