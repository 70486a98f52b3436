// This program as built-in images run it: the same binary and sources, shown inside a container.
import { existsSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Program } from './image.ts'

export interface ProgramConfig {
  readonly execPath: string
  /** The CLI's entry: a .ts file in a checkout, a .js file in the package. */
  readonly entry: string
}

export function programOf(config: ProgramConfig): Program {
  const roots = [packageRoot(config.entry), packageRoot(fileURLToPath(import.meta.url))]
  const runsSources = config.entry.endsWith('.ts') || import.meta.url.endsWith('.ts')
  return {
    execPath: config.execPath,
    // Sources need the loader, named by its place: inside, nothing is found from the working directory.
    execArgv: runsSources ? ['--import', import.meta.resolve('tsx')] : [],
    entry: config.entry,
    roots: [...new Set(roots)],
  }
}

/** The directory that holds a file's package and, where npm put them beside it, its dependencies. */
function packageRoot(file: string): string {
  let directory = dirname(file)
  while (!existsSync(`${directory}/package.json`) && directory !== '/')
    directory = dirname(directory)
  const parent = dirname(directory)
  return basename(parent) === 'node_modules' ? parent : directory
}
