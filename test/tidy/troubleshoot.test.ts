import { readFileSync } from 'node:fs'
import * as path from 'node:path'
import { expect, it } from 'vitest'
import { troubleshootPage } from '../../src/doctor/page.ts'
import { root } from './sources.ts'

it('docs/how-to/troubleshoot.md is what the check records say', () => {
  const page = readFileSync(path.join(root, 'docs/how-to/troubleshoot.md'), 'utf8')
  expect(page, 'run node --import tsx scripts/gen-docs.ts').toBe(troubleshootPage())
})
