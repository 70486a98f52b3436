// The proxy's rules under real packets, as root and rootless, each in namespaces of its own.
import { execFileSync, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'

const program = fileURLToPath(new URL('support/proxy-scenarios.ts', import.meta.url))
const limitMs = 120_000

interface Variant {
  readonly title: string
  readonly mode: 'nftables' | 'userspace'
  /** Fails when scenarios went missing, as they do when the program dies half-way. */
  readonly scenarios: number
  readonly command: readonly string[]
}

const isRoot = process.getuid?.() === 0
const rootless = ['unshare', '--user', '--map-root-user', '--net']
const nftables = { mode: 'nftables', scenarios: 19 } as const
const variants: readonly Variant[] = [
  ...(isRoot ? [{ ...nftables, title: 'as root', command: ['unshare', '--net'] }] : []),
  { ...nftables, title: 'rootless', command: rootless },
  { mode: 'userspace', scenarios: 6, title: 'in userspace', command: rootless },
]

/** Why this machine cannot run a variant; undefined when it can. */
function obstacle({ command, mode }: Variant): string | undefined {
  for (const tool of ['ip', 'nsenter', 'unshare']) {
    if (!succeeds(['sh', '-c', `command -v ${tool}`])) return `${tool} is not installed`
  }
  if (!succeeds([...command, 'true'])) return 'the kernel forbids these namespaces'
  if (mode === 'userspace') return undefined
  const probe = [
    `import { openNftables } from './src/linux/nftables/apply.ts'`,
    `openNftables({ family: 'ip', name: 'probe' }).apply([{ type: 'addTable' }])`,
  ].join('\n')
  const node = [process.execPath, '--import', 'tsx', '--input-type=module', '--eval', probe]
  return succeeds([...command, ...node]) ? undefined : 'the kernel has no nf_tables for us'
}

function succeeds([command, ...args]: readonly string[]): boolean {
  try {
    execFileSync(command!, args, { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

interface Outcome {
  readonly name: string
  readonly error?: string
}

/** Runs all scenarios in one go: the network is made once. */
async function runScenarios({ command, mode }: Variant): Promise<Outcome[]> {
  const args = [...command.slice(1), process.execPath, '--import', 'tsx', program, mode]
  const child = spawn(command[0]!, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const timer = setTimeout(() => child.kill('SIGKILL'), limitMs)
  const outcomes: Outcome[] = []
  for await (const line of createInterface({ input: child.stdout }))
    outcomes.push(JSON.parse(line) as Outcome)
  clearTimeout(timer)
  return outcomes
}

for (const variant of variants) {
  const reason = obstacle(variant)
  if (reason !== undefined) {
    test.skip(`proxy ${variant.title}: ${reason}`, () => {})
    continue
  }
  const outcomes = await runScenarios(variant)
  describe(`proxy ${variant.title}`, () => {
    test('ran every scenario', () => {
      expect(outcomes.length).toBe(variant.scenarios)
    })
    for (const { name, error } of outcomes) test(name, () => expect(error).toBeUndefined())
  })
}
