#!/usr/bin/env node
// Runs the built program; in a checkout it builds first when a source is newer than the build.
import { existsSync } from 'node:fs'

const built = new URL('../dist/cli/main.js', import.meta.url)
const checkout = new URL('../scripts/ensure.mjs', import.meta.url)
if (process.env.SIGNPOST_BUILT !== '1' && existsSync(checkout)) {
  const { ensure } = await import(checkout.href)
  await ensure({ build: true })
  process.env.SIGNPOST_ENSURED_MS = String(performance.now())
}
await import(built.href)
