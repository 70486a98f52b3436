// Makes test/golden/swagger/digests.json from api/openapi-spec/swagger.json of a Kubernetes release:
//   node --import tsx scripts/swagger-digests.ts swagger.json 1.36.1
import { readFileSync, writeFileSync } from 'node:fs'
import type { Swagger } from '../test/support/swagger-digests.ts'
import { digestsOf } from '../test/support/swagger-digests.ts'

const [file, release] = process.argv.slice(2)
if (file === undefined || release === undefined) throw new Error('usage: swagger.json RELEASE')
const digests = digestsOf(JSON.parse(readFileSync(file, 'utf8')) as Swagger)

/** Upstream's document is made with every alpha and beta API on, and with the logs of the host. */
const stable = (entries: Readonly<Record<string, string>>) =>
  Object.fromEntries(
    Object.entries(entries)
      .filter(([name]) => !/v\d+(alpha|beta)\d+/.test(name) && !name.startsWith('/logs/'))
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  )

const golden = new URL('../test/golden/swagger/digests.json', import.meta.url)
const { paths, definitions } = digests
const content = { release, paths: stable(paths), definitions: stable(definitions) }
writeFileSync(golden, `${JSON.stringify(content, null, 1)}\n`)
