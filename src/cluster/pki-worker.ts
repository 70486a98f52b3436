// Entry of the thread that issues certificates (pki-aside.ts).
import { parentPort, workerData } from 'node:worker_threads'
import type { PkiConfig } from './pki.ts'
import { loadPki } from './pki.ts'

parentPort?.postMessage(await loadPki(workerData as PkiConfig, Date.now()))
