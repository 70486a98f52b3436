// A file that ARCHITECTURE.md or a README names in backquotes is there: by its path from the root,
// from src/, from the README; or, in a README, as the end of a path in its room.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import * as path from 'node:path'
import { expect, it } from 'vitest'
import { root } from './sources.ts'

const below = (directory: string): string[] =>
  readdirSync(path.join(root, directory), { recursive: true, encoding: 'utf8' }).map((file) =>
    path.join(directory, file),
  )

const everything = below('src')
const pages = ['ARCHITECTURE.md', ...everything.filter((file) => file.endsWith('/README.md'))]

function isThere(page: string, name: string): boolean {
  const bases = [root, path.join(root, 'src'), path.join(root, path.dirname(page))]
  if (bases.some((base) => existsSync(path.join(base, name)))) return true
  const room = /^src\/[^/]+\//.exec(page)?.[0]
  if (!room) return false
  return everything.some((file) => file.startsWith(room) && file.endsWith(`/${name}`))
}

it.each(pages)('%s names files that exist', (page) => {
  const text = readFileSync(path.join(root, page), 'utf8')
  const names = [...text.matchAll(/`([\w./-]+\.(?:ts|mjs))`/g)].map((match) => match[1]!)
  expect(names.filter((name) => !isThere(page, name))).toEqual([])
})
