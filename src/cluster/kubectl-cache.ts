// Where the tests keep the kubectl and helm they fetched.
import { existsSync, readdirSync } from 'node:fs'
import { homedir } from 'node:os'
import * as path from 'node:path'

export const toolCacheDir = (): string =>
  path.join(process.env['XDG_CACHE_HOME'] || path.join(homedir(), '.cache'), 'signpost-test')

/** Paths of kubectl there, newest first. */
export function kubectlCache(): readonly string[] {
  const directory = toolCacheDir()
  if (!existsSync(directory)) return []
  const versions = readdirSync(directory).sort((a, b) =>
    b.localeCompare(a, 'en', { numeric: true }),
  )
  return versions.map((version) => path.join(directory, version, 'kubectl'))
}
