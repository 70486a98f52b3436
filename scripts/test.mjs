// The gate: types, lint and every test, ended by the line that counts them.
// `--quick` leaves out what needs namespaces. Other arguments go to vitest.
import { spawnSync } from 'node:child_process'
import * as path from 'node:path'
import { fileURLToPath } from 'node:url'
import { ensure } from './ensure.mjs'

// Not npm's pretest: users who switch install scripts off switch that off too.
await ensure({ build: true })

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)))
const quick = process.argv.includes('--quick')
const rest = process.argv.slice(2).filter((argument) => argument !== '--quick')
const bin = (name, file) => path.join(root, 'node_modules', name, file)

function run(title, file, args) {
  const startedMs = Date.now()
  const { status } = spawnSync(process.execPath, [file, ...args], { cwd: root, stdio: 'inherit' })
  process.stdout.write(
    `${title}: ${status === 0 ? 'ok' : 'FAILED'} (${((Date.now() - startedMs) / 1000).toFixed(1)} s)\n`,
  )
  return status === 0
}

const checks = [
  () => run('types', bin('typescript', 'bin/tsc'), ['-p', 'tsconfig.json']),
  () =>
    run('format', bin('@biomejs/biome', 'bin/biome'), ['check', '--diagnostic-level=error', '.']),
  () =>
    run('lint', bin('oxlint', 'bin/oxlint'), ['--type-aware', 'src', 'test', 'scripts', 'bench']),
]
const failed = rest.length > 0 ? 0 : checks.filter((check) => !check()).length
const reporter = path.join(root, 'scripts', 'count-reporter.mjs')
const exclude = quick ? ['--exclude', 'test/e2e/**', '--exclude', 'test/interop/**'] : []
const tests = spawnSync(
  process.execPath,
  [
    bin('vitest', 'vitest.mjs'),
    'run',
    '--reporter=default',
    `--reporter=${reporter}`,
    ...exclude,
    ...rest,
  ],
  {
    cwd: root,
    stdio: 'inherit',
    env: {
      ...process.env,
      SIGNPOST_FAILED_CHECKS: String(failed),
      SIGNPOST_CHECKS: String(rest.length > 0 ? 0 : checks.length),
    },
  },
)
process.exit(tests.status === 0 && failed === 0 ? 0 : 1)
