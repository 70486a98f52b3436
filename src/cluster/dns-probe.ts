// Asks the cluster DNS from the node, through its ClusterIP, until it answers: the proof that
// Service, EndpointSlice, rules, Pods and DNS are all there.
import * as dgram from 'node:dgram'
import { addressesIn, encodeQuery } from '../dns/query.ts'
import type { AgentConfig } from './messages.ts'

const retryMs = 25
const maxRetryMs = 1000

export function watchDns(
  config: Pick<AgentConfig, 'clusterDNS' | 'clusterDomain'>,
  onAnswer: (name: string, address: string) => void,
): { stop(): void } {
  const name = `kubernetes.default.svc.${config.clusterDomain}.`
  const socket = dgram.createSocket('udp4')
  let delayMs = retryMs
  let timer: NodeJS.Timeout | undefined
  let stopped = false
  const stop = () => {
    if (stopped) return
    stopped = true
    clearTimeout(timer)
    socket.close()
  }
  const ask = () => {
    if (stopped) return
    socket.send(encodeQuery(1, name, 'A'), 53, config.clusterDNS, () => {})
    delayMs = Math.min(maxRetryMs, delayMs * 1.3)
    timer = setTimeout(ask, delayMs)
  }
  socket.on('message', (bytes) => {
    const [address] = addressesIn(bytes)
    if (address === undefined || stopped) return
    stop()
    onAnswer(name, address)
  })
  // Nothing listens yet, or there is no route yet: asked again shortly.
  socket.on('error', () => {})
  ask()
  return { stop }
}
