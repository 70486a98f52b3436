// Certificates issued beside the main thread, which has the program to load meanwhile. The library
// that issues them costs more than all of the rest; with everything there, no thread is needed.
import * as fs from 'node:fs'
import * as path from 'node:path'
import { Worker } from 'node:worker_threads'
import type { Pki, PkiConfig } from './pki.ts'
import { loadPki } from './pki.ts'

export function loadPkiAside(config: PkiConfig): Promise<Pki> {
  // Run from source, the loader that reads TypeScript does not reach threads.
  const fromSource = import.meta.url.endsWith('.ts')
  if (fromSource || fs.existsSync(path.join(config.directory, 'ca.crt'))) {
    return loadPki(config, Date.now())
  }
  return new Promise((resolve, reject) => {
    const entry = new URL('./pki-worker.js', import.meta.url)
    const worker = new Worker(entry, { workerData: config })
    worker.once('message', resolve)
    worker.once('error', reject)
  })
}
