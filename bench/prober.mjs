// Runs inside a Pod: asks for a name until it is answered, dials the address until it connects, and
// then dials by name; prints when each happened first (epoch milliseconds; the clock is the host's).

import { Resolver } from 'node:dns/promises'
import { writeFileSync } from 'node:fs'
import * as net from 'node:net'

const name = process.argv[2]
const domain = `${name}.default.svc.cluster.local`
const resolver = new Resolver({ timeout: 1000, tries: 1 })
writeFileSync(`/tmp/${name}.waiting`, 'waiting')

const connect = (host) =>
  new Promise((resolve, reject) => {
    const socket = net.connect({ host, port: 80 })
    socket.once('connect', () => resolve(socket.destroy()))
    socket.once('error', reject)
  })

async function until(attempt) {
  for (;;) {
    try {
      const value = await attempt()
      return { value, atMs: Date.now() }
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 1))
    }
  }
}

const answered = await until(() => resolver.resolve4(domain))
const byAddress = await until(() => connect(answered.value[0]))
const byName = await until(async () => connect((await resolver.resolve4(domain))[0]))
process.stdout.write(
  JSON.stringify({ answeredMs: answered.atMs, byAddressMs: byAddress.atMs, byNameMs: byName.atMs }),
)
