// A node and its Pods out of network namespaces, for tests of the data plane. Runs in the network
// namespace that becomes the node; needs iproute2 and nsenter, and root there.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { PeerAnswer, PeerCommand } from './peer.ts'

export const nodeIP = '192.168.50.2'
export const nodeIPv6 = 'fd00:50::2'
export const serviceCIDR = '10.96.0.0/16'
export const serviceCIDRv6 = 'fd00:96::/112'
export const podCIDR = '10.244.0.0/24'
export const podCIDRv6 = 'fd00:244::/64'

const peerProgram = fileURLToPath(new URL('peer.ts', import.meta.url))

/** A process in some namespace that dials and serves. */
export class Peer {
  readonly #child: ChildProcess
  readonly #waiting: ((answer: PeerAnswer) => void)[] = []
  #last: Promise<unknown>

  /** In a new network namespace, or in ours. */
  constructor(options: { ownNamespace: boolean }) {
    const node = [process.execPath, '--import', 'tsx', peerProgram]
    const [command, ...args] = options.ownNamespace ? ['unshare', '-n', ...node] : node
    this.#child = spawn(command!, args, { stdio: ['pipe', 'pipe', 'inherit'] })
    createInterface({ input: this.#child.stdout! }).on('line', (line) =>
      this.#waiting.shift()?.(JSON.parse(line) as PeerAnswer),
    )
    this.#last = new Promise((resolve) => this.#waiting.push(resolve))
  }

  get pid(): number {
    return this.#child.pid!
  }

  async ready(): Promise<void> {
    await this.#last
  }

  /** One after the other. */
  ask(command: PeerCommand): Promise<PeerAnswer> {
    const answer = this.#last.then(
      () =>
        new Promise<PeerAnswer>((resolve) => {
          this.#waiting.push(resolve)
          this.#child.stdin!.write(`${JSON.stringify(command)}\n`)
        }),
    )
    this.#last = answer
    return answer
  }

  /** "NAME CLIENT" or the error's code. */
  async dial(host: string, port: number, protocol: 'tcp' | 'udp' = 'tcp'): Promise<string> {
    const timeoutMs = 600
    const answer = await this.ask({ do: 'dial', protocol, host, port, timeoutMs })
    return answer.line ?? answer.error!
  }

  async spread(
    host: string,
    port: number,
    times: number,
  ): Promise<Readonly<Record<string, number>>> {
    return (await this.ask({ do: 'dialMany', host, port, times })).counts!
  }

  stop(): void {
    this.#child.kill('SIGKILL')
  }
}

function ip(...args: string[]): void {
  execFileSync('ip', args)
}

function inside(pid: number, ...args: string[]): void {
  execFileSync('nsenter', ['-t', String(pid), '-n', 'ip', ...args])
}

/** The node itself: addresses and forwarding. */
export function makeNode(): void {
  ip('link', 'set', 'lo', 'up')
  ip('addr', 'add', `${nodeIP}/32`, 'dev', 'lo')
  ip('addr', 'add', `${nodeIPv6}/128`, 'dev', 'lo')
  writeFileSync('/proc/sys/net/ipv4/ip_forward', '1')
  writeFileSync('/proc/sys/net/ipv6/conf/all/forwarding', '1')
  // A Pod that dials itself leaves by the way it came; redirects would use up the allowance of
  // ICMP errors, by which UDP clients learn that nobody serves.
  for (const scope of ['all', 'default'])
    writeFileSync(`/proc/sys/net/ipv4/conf/${scope}/send_redirects`, '0')
}

/** A Pod on a routed veth: 10.244.0.N and fd00:244::N. */
export async function makePod(index: number): Promise<{ peer: Peer; ip: string; ipv6: string }> {
  const peer = new Peer({ ownNamespace: true })
  await peer.ready()
  const [address, address6] = [`10.244.0.${index}`, `fd00:244::${index}`]
  const link = `sp${index}`
  ip('link', 'add', link, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', String(peer.pid))
  ip('addr', 'add', '169.254.1.1/32', 'dev', link, 'scope', 'link')
  ip('addr', 'add', 'fe80::1/64', 'dev', link, 'nodad')
  ip('link', 'set', link, 'up')
  ip('route', 'add', `${address}/32`, 'dev', link, 'src', nodeIP)
  ip('-6', 'route', 'add', `${address6}/128`, 'dev', link, 'src', nodeIPv6)
  inside(peer.pid, 'link', 'set', 'lo', 'up')
  inside(peer.pid, 'link', 'set', 'eth0', 'up')
  inside(peer.pid, 'addr', 'add', `${address}/32`, 'dev', 'eth0')
  inside(peer.pid, 'addr', 'add', `${address6}/128`, 'dev', 'eth0', 'nodad')
  inside(peer.pid, 'route', 'add', '169.254.1.1', 'dev', 'eth0', 'scope', 'link')
  inside(peer.pid, 'route', 'add', 'default', 'via', '169.254.1.1')
  inside(peer.pid, '-6', 'route', 'add', 'default', 'via', 'fe80::1', 'dev', 'eth0')
  return { peer, ip: address, ipv6: address6 }
}

/** Somebody outside the cluster at 203.0.113.9, who sends everything to the node. */
export async function makeOutsider(): Promise<Peer> {
  const peer = new Peer({ ownNamespace: true })
  await peer.ready()
  ip('link', 'add', 'outside', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', String(peer.pid))
  ip('addr', 'add', '203.0.113.1/24', 'dev', 'outside')
  ip('link', 'set', 'outside', 'up')
  inside(peer.pid, 'link', 'set', 'lo', 'up')
  inside(peer.pid, 'link', 'set', 'eth0', 'up')
  inside(peer.pid, 'addr', 'add', '203.0.113.9/24', 'dev', 'eth0')
  inside(peer.pid, 'addr', 'add', '203.0.113.10/24', 'dev', 'eth0')
  inside(peer.pid, 'route', 'add', 'default', 'via', '203.0.113.1')
  return peer
}
