// What this program is, as package.json says.
import { readFileSync } from 'node:fs'
import { kubernetesRelease } from '../api/machinery/version.ts'

const manifest = JSON.parse(
  readFileSync(new URL('../../package.json', import.meta.url), 'utf8'),
) as {
  readonly version: string
}

export const version: string = manifest.version
/** The Kubernetes release whose API is served. */
export const kubernetesVersion = kubernetesRelease
