import { readFileSync } from 'node:fs'
import * as path from 'node:path'
import { expect, it } from 'vitest'
import { apiPage } from '../../scripts/api-page.ts'
import { root } from './sources.ts'

it('docs/reference/api.md is what the table of resources says', () => {
  const page = readFileSync(path.join(root, 'docs/reference/api.md'), 'utf8')
  expect(page, 'run node --import tsx scripts/gen-docs.ts').toBe(apiPage())
})
