// The components that run in the API server's process: the heavy half of the program, loaded at once.
export { startApiserver } from '../apiserver/apiserver.ts'
export { createInformers } from '../client/informers.ts'
export { createClient } from '../client/resource-client.ts'
export { startControllers } from '../controllers/controllers.ts'
export { dnsManifests } from '../dns/manifests.ts'
export { startScheduler } from '../scheduler/scheduler.ts'
export { openLmdbStore } from '../store/lmdb.ts'
