// The user's kubeconfig: our entries go in and out, everything else in it stays as it is.
import * as fs from 'node:fs'
import * as path from 'node:path'
import { Document, isMap, isSeq, parseDocument, YAMLMap, YAMLSeq } from 'yaml'
import type { Access } from './access.ts'
import { base64 } from './access.ts'
import { ClusterError } from './cluster-error.ts'

/** Puts the access in, or replaces the one of that name, and makes it the current context. */
export function mergeKubeconfig(file: string, access: Access): void {
  underLock(file, () => merge(file, access))
}

function merge(file: string, access: Access): void {
  const document = load(file)
  const { name, server, ca, admin } = access
  setNamed(document, 'clusters', {
    name,
    cluster: { server, 'certificate-authority-data': base64(ca) },
  })
  setNamed(document, 'users', {
    name,
    user: { 'client-certificate-data': base64(admin.cert), 'client-key-data': base64(admin.key) },
  })
  setNamed(document, 'contexts', { name, context: { cluster: name, user: name } })
  document.set('current-context', name)
  save(file, document)
}

/** Takes the entries of that name out again; false when there were none. */
export function removeFromKubeconfig(file: string, name: string): boolean {
  return fs.existsSync(file) && underLock(file, () => remove(file, name))
}

function remove(file: string, name: string): boolean {
  const document = load(file)
  const removed = ['clusters', 'users', 'contexts'].map((section) =>
    removeNamed(document, section, name),
  )
  if (!removed.includes(true)) return false
  if (document.get('current-context') === name) document.set('current-context', '')
  save(file, document)
  return true
}

const lockPollMs = 10
const lockTimeoutMs = 5000

/** As client-go locks it: a file beside it that only one can make. */
function underLock<T>(file: string, work: () => T): T {
  const lock = `${file}.lock`
  const deadlineMs = performance.now() + lockTimeoutMs
  for (;;) {
    try {
      fs.mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 })
      fs.closeSync(fs.openSync(lock, 'wx', 0o600))
      break
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException
      if (code !== 'EEXIST') throw unusable(file, message)
      if (performance.now() > deadlineMs)
        throw unusable(file, `"${lock}" is there; remove it if no kubectl runs`)
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, lockPollMs)
    }
  }
  try {
    return work()
  } finally {
    fs.rmSync(lock, { force: true })
  }
}

function load(file: string): Document {
  let text = ''
  try {
    text = fs.readFileSync(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT')
      throw unusable(file, (error as Error).message)
  }
  const document = parseDocument(
    text.trim() === '' ? 'apiVersion: v1\nkind: Config\npreferences: {}\n' : text,
  )
  const problem = document.errors[0]
  if (problem) throw unusable(file, problem.message.split('\n')[0]!)
  if (!isMap(document.contents)) throw unusable(file, 'it is not a kubeconfig')
  return document
}

const unusable = (file: string, cause: string) =>
  new ClusterError(
    `cannot use kubeconfig "${file}": ${cause}; mend it or set KUBECONFIG to another file`,
  )

function save(file: string, document: Document): void {
  try {
    // Written through a symlink, as kubectl does, and never seen half-written.
    const target = fs.existsSync(file) ? fs.realpathSync(file) : file
    const mode = fs.existsSync(target) ? fs.statSync(target).mode & 0o777 : 0o600
    fs.writeFileSync(`${target}.signpost`, document.toString({ lineWidth: 0 }), { mode })
    fs.renameSync(`${target}.signpost`, target)
  } catch (error) {
    throw unusable(file, (error as Error).message)
  }
}

function section(document: Document, name: string): YAMLSeq {
  const found = document.get(name)
  if (isSeq(found)) return found
  const made = new YAMLSeq()
  document.set(name, made)
  return made
}

const isNamed = (name: string) => (item: unknown) => isMap(item) && item.get('name') === name

function setNamed(
  document: Document,
  sectionName: string,
  value: { readonly name: string; readonly [section: string]: unknown },
): void {
  const list = section(document, sectionName)
  const entry = document.createNode(value) as YAMLMap
  const index = list.items.findIndex(isNamed(value.name))
  if (index >= 0) list.items[index] = entry
  else list.items.push(entry)
}

function removeNamed(document: Document, sectionName: string, name: string): boolean {
  const list = document.get(sectionName)
  if (!isSeq(list)) return false
  const index = list.items.findIndex(isNamed(name))
  if (index >= 0) list.items.splice(index, 1)
  return index >= 0
}
