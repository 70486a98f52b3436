// Files the DNS server reads: Corefiles with their imports, hosts, resolv.conf. An edge file.
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { basename, dirname, isAbsolute, join, resolve } from 'node:path'
import type { ImportedFile, ImportReader } from './corefile.ts'
import type { Files } from './host.ts'

export const systemFiles: Files = {
  readText: (path) => readFileSync(path, 'utf8'),
  stamp(path) {
    const stat = statSync(path, { throwIfNoEntry: false })
    return stat && `${stat.mtimeMs} ${stat.size} ${stat.ino}`
  },
}

export function systemImports(
  environment: Readonly<Record<string, string | undefined>>,
): ImportReader {
  return {
    environment: (name) => environment[name] ?? '',
    read(pattern, importingFile) {
      const path = isAbsolute(pattern) ? pattern : resolve(dirname(importingFile), pattern)
      const paths = pattern.includes('*') ? glob(path) : existsSync(path) ? [path] : undefined
      return paths?.map((file): ImportedFile => ({ file, text: readFileSync(file, 'utf8') }))
    },
  }
}

/** One * in any part of the path; sorted, without directories. */
function glob(pattern: string): readonly string[] {
  let found = ['/']
  for (const part of pattern.split('/').filter((each) => each !== '')) {
    found = found.flatMap((base) => matches(base, part))
  }
  return found.filter((path) => statSync(path, { throwIfNoEntry: false })?.isFile()).sort()
}

function matches(base: string, part: string): string[] {
  if (!part.includes('*')) return existsSync(join(base, part)) ? [join(base, part)] : []
  const escaped = part.split('*').map((text) => text.replace(/[.+?^${}()|[\]\\]/g, '\\$&'))
  const expression = new RegExp(`^${escaped.join('.*')}$`)
  if (!statSync(base, { throwIfNoEntry: false })?.isDirectory()) return []
  return readdirSync(base)
    .filter((name) => expression.test(basename(name)))
    .map((name) => join(base, name))
}
