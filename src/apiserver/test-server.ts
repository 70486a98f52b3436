// An API server of its own for a test: nothing is stored, nothing listens, time stands still.
import { generateKeyPairSync } from 'node:crypto'
import type { Clock } from '../lib/clock.ts'
import { silentLogger } from '../lib/log.ts'
import { seededRandom } from '../lib/random.ts'
import { openMemoryStore } from '../store/memory.ts'
import type { Apiserver } from './apiserver.ts'
import { startApiserver } from './apiserver.ts'

export function startForTest({ clock }: { readonly clock: Clock }): Promise<Apiserver> {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const config = {
    bindAddress: '127.0.0.1',
    securePort: 0,
    tlsCert: '',
    tlsPrivateKey: '',
    serviceAccountSigningKey: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
    serviceAccountIssuer: 'https://kubernetes.default.svc.cluster.local',
    serviceClusterIPRange: ['10.96.0.0/16'],
    advertiseAddress: '192.168.50.2',
  }
  const listen = async () => ({
    address: '127.0.0.1',
    port: 6443,
    adopt: () => {},
    close: async () => {},
  })
  return startApiserver(config, {
    store: openMemoryStore(),
    clock,
    random: seededRandom(1),
    log: silentLogger,
    listen,
  })
}
