// Makes the pages of docs/ that are told from code: how-to/troubleshoot.md from the records of doctor's
// checks, reference/api.md from the resources served. With --check it only says which are stale.
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { troubleshootPage } from '../src/doctor/page.ts'
import { apiPage } from './api-page.ts'

const pages = [
  { path: 'docs/how-to/troubleshoot.md', text: troubleshootPage() },
  { path: 'docs/reference/api.md', text: apiPage() },
]

for (const { path, text } of pages) {
  const file = fileURLToPath(new URL(`../${path}`, import.meta.url))
  if (!process.argv.includes('--check')) writeFileSync(file, text)
  else if (readFileSync(file, 'utf8') !== text) {
    process.stderr.write(`${path} is stale: node --import tsx scripts/gen-docs.ts\n`)
    process.exitCode = 1
  }
}
