// Makes docs/how-to/troubleshoot.md from the records of doctor's checks. With --check it only says
// whether the page is up to date.
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { troubleshootPage } from '../src/doctor/page.ts'

const file = fileURLToPath(new URL('../docs/how-to/troubleshoot.md', import.meta.url))
const page = troubleshootPage()
if (process.argv.includes('--check')) {
  const isCurrent = readFileSync(file, 'utf8') === page
  if (!isCurrent) process.stderr.write(`${file} is stale: node --import tsx scripts/gen-docs.ts\n`)
  process.exitCode = isCurrent ? 0 : 1
} else writeFileSync(file, page)
