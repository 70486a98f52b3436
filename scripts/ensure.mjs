// Makes sure that what a command needs is there: packages as the lock file says, and the build.
// Plain JavaScript on node: modules only, because it runs before anything is installed.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import * as fs from 'node:fs'
import * as path from 'node:path'
import { fileURLToPath } from 'node:url'

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)))
const modules = path.join(root, 'node_modules')
const stampFile = path.join(modules, '.signpost-installed')
const lockDir = path.join(root, '.signpost', 'install.lock')
const builtFile = path.join(root, 'dist', '.built')

export async function ensure({ build = false } = {}) {
  requireNode()
  await ensureInstalled()
  if (build && isStale()) await underLock(() => isStale() && compile())
}

function requireNode() {
  const [major, minor] = process.versions.node.split('.').map(Number)
  if (major > 20 || (major === 20 && minor >= 19)) return
  fail(`Signpost needs Node.js 20.19 or newer; this is ${process.versions.node}.`)
}

function fail(message) {
  process.stderr.write(`signpost: ${message}\n`)
  process.exit(1)
}

function wantedStamp() {
  const hash = createHash('sha256')
  for (const file of ['package.json', 'package-lock.json'])
    hash.update(fs.readFileSync(path.join(root, file)))
  hash.update(`${process.platform} ${process.arch} ${process.versions.modules}`)
  return hash.digest('hex')
}

function readText(file) {
  try {
    return fs.readFileSync(file, 'utf8')
  } catch {
    return undefined
  }
}

async function ensureInstalled() {
  const wanted = wantedStamp()
  if (readText(stampFile) === wanted) return
  await underLock(() => {
    if (readText(stampFile) === wanted) return
    install()
    fs.writeFileSync(stampFile, wanted)
  })
}

function install() {
  process.stderr.write('signpost: installing packages (once)\n')
  const npm = process.env.npm_execpath
  const command = npm ? [process.execPath, npm] : ['npm']
  const args = [
    ...command.slice(1),
    'ci',
    '--no-audit',
    '--no-fund',
    '--ignore-scripts',
    '--prefer-offline',
  ]
  for (let attempt = 1; attempt <= 2; attempt++) {
    const { status, stdout, stderr } = spawnSync(command[0], args, { cwd: root, encoding: 'utf8' })
    if (status === 0) return
    const log = path.join(root, '.signpost', 'install.log')
    fs.writeFileSync(log, `${stdout ?? ''}${stderr ?? ''}`)
    if (attempt === 2)
      fail(`cannot install packages; see ${log}. Running the command again is safe.`)
  }
}

/** One installer or compiler at a time; a lock whose process is gone is taken over. */
async function underLock(work) {
  fs.mkdirSync(path.dirname(lockDir), { recursive: true })
  for (;;) {
    try {
      fs.mkdirSync(lockDir)
      fs.writeFileSync(path.join(lockDir, 'pid'), String(process.pid))
      break
    } catch (error) {
      if (error.code !== 'EEXIST')
        fail(`cannot write to ${path.dirname(lockDir)}: ${error.message}`)
      const pid = Number(readText(path.join(lockDir, 'pid')))
      if (pid && !fs.existsSync(`/proc/${pid}`))
        fs.rmSync(lockDir, { recursive: true, force: true })
      else await new Promise((resolve) => setTimeout(resolve, 100))
    }
  }
  try {
    work()
  } finally {
    fs.rmSync(lockDir, { recursive: true, force: true })
  }
}

function isStale() {
  const built = fs.statSync(builtFile, { throwIfNoEntry: false })
  if (!built) return true
  const newer = (directory) =>
    fs.readdirSync(directory, { withFileTypes: true }).some((entry) => {
      const full = path.join(directory, entry.name)
      if (entry.isDirectory()) return newer(full)
      return !entry.name.endsWith('.test.ts') && fs.statSync(full).mtimeMs > built.mtimeMs
    })
  return (
    newer(path.join(root, 'src')) ||
    fs.statSync(path.join(root, 'tsconfig.build.json')).mtimeMs > built.mtimeMs
  )
}

/** Into a fresh directory, put in place by a rename: a running cluster never sees half a build. */
function compile() {
  const out = path.join(root, 'dist')
  const next = path.join(root, '.signpost', 'dist.new')
  const old = path.join(root, '.signpost', 'dist.old')
  const startedMs = Date.now()
  const tsc = path.join(modules, 'typescript', 'bin', 'tsc')
  fs.rmSync(next, { recursive: true, force: true })
  const { status, stdout } = spawnSync(
    process.execPath,
    [tsc, '-p', 'tsconfig.build.json', '--outDir', next],
    {
      cwd: root,
      encoding: 'utf8',
    },
  )
  if (status !== 0) fail(`cannot compile:\n${stdout}`)
  fs.writeFileSync(path.join(next, '.built'), '')
  fs.utimesSync(path.join(next, '.built'), startedMs / 1000, startedMs / 1000)
  fs.rmSync(old, { recursive: true, force: true })
  if (fs.existsSync(out)) fs.renameSync(out, old)
  fs.renameSync(next, out)
  fs.rmSync(old, { recursive: true, force: true })
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await ensure({ build: process.argv.includes('--build') })
}
