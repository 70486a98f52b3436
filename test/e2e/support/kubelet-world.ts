// A node for tests of the kubelet: an API server on the memory store, a kubelet, its server's client.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import { WebSocket } from 'ws'
import type { KubeObject } from '../../../src/api/machinery/resource.ts'
import {
  configmaps,
  events,
  namespaces,
  pods,
  serviceaccounts,
} from '../../../src/api/resources.gen.ts'
import type { Container, Pod, PodSpec } from '../../../src/api/types/core.gen.ts'
import { type Apiserver, startApiserver } from '../../../src/apiserver/apiserver.ts'
import type { Client, Transport } from '../../../src/client/client.ts'
import { createClient } from '../../../src/client/resource-client.ts'
import { createMissing, imageMapAccess, kubeletAccess } from '../../../src/cluster/addons.ts'
import { loadPki, type Pki } from '../../../src/cluster/pki.ts'
import { type Kubelet, startKubelet } from '../../../src/kubelet/kubelet.ts'
import { systemClock } from '../../../src/lib/clock.ts'
import { createLogger } from '../../../src/lib/log.ts'
import { systemRandom } from '../../../src/lib/random.ts'
import { inUserNamespace } from '../../../src/linux/mount.ts'
import { openMemoryStore } from '../../../src/store/memory.ts'

export const nodeIP = '192.168.50.2'
const nodeName = 'n1'
const namespace = 'default'
const waitMs = 20_000

const deps = { clock: systemClock, random: systemRandom, log: createLogger({ level: 'error' }) }

export interface CommandResult {
  readonly stdout: string
  readonly stderr: string
  /** The Status that ends it. */
  readonly status: { readonly status: string; readonly details?: unknown }
}

export class World {
  readonly directory = mkdtempSync(join(tmpdir(), 'signpost-kubelet-'))
  readonly rootless = inUserNamespace()
  readonly client: Client
  readonly #api: Apiserver
  readonly #pki: Pki
  kubelet!: Kubelet

  private constructor(api: Apiserver, pki: Pki) {
    this.#api = api
    this.#pki = pki
    this.client = this.#clientOf('system:admin', 'system:masters')
  }

  static async make(): Promise<World> {
    const directory = mkdtempSync(join(tmpdir(), 'signpost-pki-'))
    const addresses = { nodeName, nodeAddresses: [nodeIP], apiserverNames: ['localhost'] }
    const pki = await loadPki({ directory, ...addresses }, Date.now())
    rmSync(directory, { recursive: true })
    const api = await startApiserver(
      {
        bindAddress: '127.0.0.1',
        securePort: 0,
        tlsCert: pki.apiserver.cert,
        tlsPrivateKey: pki.apiserver.key,
        serviceAccountSigningKey: pki.serviceAccountKey,
        serviceAccountIssuer: 'https://kubernetes.default.svc',
        serviceClusterIPRange: ['10.96.0.0/16'],
        advertiseAddress: nodeIP,
        authorizationMode: ['Node', 'RBAC'],
      },
      { ...deps, store: openMemoryStore() },
    )
    const world = new World(api, pki)
    await world.#prepare()
    await world.startKubelet()
    return world
  }

  /** What controllers would make. */
  async #prepare(): Promise<void> {
    await createMissing(this.client, [...imageMapAccess(), ...kubeletAccess()])
    const metadata = { namespace, name: 'default' }
    await this.client
      .resource(serviceaccounts)
      .create({ apiVersion: 'v1', kind: 'ServiceAccount', metadata })
    await this.configMap('kube-root-ca.crt', { 'ca.crt': this.#pki.ca.cert })
    const existing = await this.client.resource(namespaces).list()
    if (existing.items.some(({ metadata: { name } }) => name === 'kube-node-lease')) return
    const leases = {
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: { name: 'kube-node-lease' },
      spec: {},
    }
    await this.client.resource(namespaces).create(leases)
  }

  #clientOf(name: string, group: string): Client {
    return createClient(this.#api.transportFor({ name, groups: [group] }) as Transport)
  }

  async startKubelet(): Promise<void> {
    const resolvConf = join(this.directory, 'resolv.conf')
    writeFileSync(resolvConf, 'nameserver 203.0.113.53\n')
    this.kubelet = await startKubelet(
      {
        ...{ nodeName, nodeIP, resolvConf, rootless: this.rootless },
        podCIDR: '10.244.0.0/24',
        clusterDNS: ['10.96.0.10'],
        clusterDomain: 'cluster.local',
        stateDir: join(this.directory, 'state'),
        port: 0,
        tls: this.#pki.kubeletServing,
        clientCA: this.#pki.ca.cert,
        imagePolicy: 'host',
        program: { execPath: process.execPath, entry: join(process.cwd(), 'src/cli/main.ts') },
      },
      { ...deps, client: this.#clientOf(`system:node:${nodeName}`, 'system:nodes') },
    )
    await this.kubelet.ready()
  }

  async stop(): Promise<void> {
    await this.kubelet.stop()
    await this.#api.stop()
    rmSync(this.directory, { recursive: true, force: true })
  }

  configMap(name: string, data: Record<string, string>, inNamespace = namespace): Promise<unknown> {
    const metadata = { name, namespace: inNamespace }
    const object = { apiVersion: 'v1', kind: 'ConfigMap', metadata, data }
    return this.client.resource(configmaps).create(object)
  }

  /** A Pod bound to the node, with a shell script for each of its containers unless told more. */
  async run(
    name: string,
    script: string | Partial<Container>,
    spec: Partial<PodSpec> = {},
  ): Promise<Pod> {
    const command = (text: string) => ({ image: 'busybox', command: ['sh', '-c', text] })
    const container = typeof script === 'string' ? command(script) : script
    return this.client.resource(pods).create({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name, namespace },
      spec: {
        nodeName,
        automountServiceAccountToken: false,
        terminationGracePeriodSeconds: 2,
        containers: [{ name: 'app', ...container }],
        ...spec,
      },
    })
  }

  /** Looks whenever the Pod changes, until it is as wanted; undefined stands for "gone". */
  async until(name: string, wanted: (pod: Pod | undefined) => unknown): Promise<Pod> {
    const resource = this.client.resource(pods)
    const signal = AbortSignal.timeout(waitMs)
    let last: Pod | undefined
    const options = { namespace, fieldSelector: `metadata.name=${name}` }
    for (;;) {
      const { items, metadata } = await resource.list(options)
      last = items[0]
      if (wanted(last)) return last!
      const { resourceVersion = '' } = metadata
      try {
        for await (const { type, object } of resource.watch({
          ...options,
          resourceVersion,
          signal,
        })) {
          last = type === 'DELETED' ? undefined : object
          if (wanted(last)) return last!
        }
      } catch (error) {
        if (!signal.aborted) throw error
      }
      if (signal.aborted) {
        throw new Error(
          `pod "${name}" did not come to be as wanted: ${JSON.stringify(last?.status, null, 1)}`,
        )
      }
    }
  }

  ready(name: string): Promise<Pod> {
    return this.until(name, isReady)
  }

  async delete(name: string, graceSeconds?: number): Promise<void> {
    const body = graceSeconds === undefined ? {} : { body: { gracePeriodSeconds: graceSeconds } }
    await this.client.resource(pods).delete({ namespace, name }, body)
  }

  async eventReasons(name: string): Promise<string[]> {
    const fieldSelector = `involvedObject.name=${name}`
    const { items } = await this.client.resource(events).list({ namespace, fieldSelector })
    return items.map(({ reason = '' }) => reason)
  }

  put<T extends KubeObject>(
    resource: Parameters<Client['resource']>[0],
    object: T,
  ): Promise<unknown> {
    return this.client.resource(resource).create(object)
  }

  get #tls() {
    const { cert, key } = this.#pki.apiserverKubeletClient
    return { ca: this.#pki.ca.cert, cert, key, rejectUnauthorized: false }
  }

  async get(path: string): Promise<{ code: number; text: string }> {
    return new Promise((resolve, reject) => {
      const target = { host: nodeIP, port: this.kubelet.port, path, ...this.#tls }
      request(target, (response) => {
        let text = ''
        response.on('data', (chunk: Buffer) => {
          text += chunk.toString('utf8')
        })
        response.on('end', () => resolve({ code: response.statusCode ?? 0, text }))
      })
        .on('error', reject)
        .end()
    })
  }

  /** Follows the log until it says this. */
  logUntil(pod: string, wanted: RegExp): Promise<string> {
    const path = `/containerLogs/${namespace}/${pod}/app?follow=true`
    return new Promise((resolve, reject) => {
      const target = { host: nodeIP, port: this.kubelet.port, path, ...this.#tls }
      const sent = request(target, (response) => {
        let text = ''
        response.on('data', (chunk: Buffer) => {
          text += chunk.toString('utf8')
          if (!wanted.test(text)) return
          sent.destroy()
          resolve(text)
        })
        response.on('end', () => reject(new Error(`the log ended with: ${text}`)))
      })
      sent.on('error', reject)
      sent.end()
    })
  }

  async logs(pod: string, query = ''): Promise<string> {
    return (await this.get(`/containerLogs/${namespace}/${pod}/app?${query}`)).text
  }

  /** As the API server does it for kubectl. */
  exec(
    pod: string,
    argv: readonly string[],
    options: { stdin?: Buffer; tty?: { columns: number; rows: number } } = {},
  ): Promise<CommandResult> {
    const query = new URLSearchParams(argv.map((word): [string, string] => ['command', word]))
    for (const name of ['output', 'error']) query.set(name, '1')
    if (options.stdin) query.set('input', '1')
    if (options.tty) query.set('tty', '1')
    const url = `wss://${nodeIP}:${this.kubelet.port}/exec/${namespace}/${pod}/app?${query}`
    const socket = new WebSocket(url, ['v5.channel.k8s.io'], this.#tls)
    return new Promise((resolve, reject) => {
      const texts = ['', '', '', '']
      socket.on('error', reject)
      socket.on('unexpected-response', (_request, response) => {
        reject(new Error(`the kubelet answered ${response.statusCode}`))
      })
      socket.on('open', () => {
        if (options.tty) {
          const { columns: Width, rows: Height } = options.tty
          socket.send(message(4, Buffer.from(JSON.stringify({ Width, Height }))))
        }
        if (!options.stdin) return
        for (let start = 0; start < options.stdin.length; start += 32_768) {
          socket.send(message(0, options.stdin.subarray(start, start + 32_768)))
        }
        socket.send(Buffer.from([255, 0]))
      })
      socket.on('message', (data: Buffer) => {
        texts[data[0]!] += data.subarray(1).toString('utf8')
      })
      socket.on('close', () => {
        const [, stdout = '', stderr = '', status = '{}'] = texts
        resolve({ stdout, stderr, status: JSON.parse(status || '{}') as CommandResult['status'] })
      })
    })
  }

  /** A connection that speaks SPDY from here on. */
  forward(pod: string): Promise<Duplex> {
    const headers = {
      Connection: 'Upgrade',
      Upgrade: 'SPDY/3.1',
      'X-Stream-Protocol-Version': 'portforward.k8s.io',
    }
    const path = `/portForward/${namespace}/${pod}`
    return new Promise((resolve, reject) => {
      const target = { host: nodeIP, port: this.kubelet.port, path, method: 'POST', headers }
      const sent = request({ ...target, ...this.#tls })
      sent.on('upgrade', (_response, socket) => resolve(socket))
      sent.on('response', ({ statusCode }) => reject(new Error(`answered ${statusCode}`)))
      sent.on('error', reject)
      sent.end()
    })
  }
}

function message(channel: number, bytes: Buffer): Buffer {
  return Buffer.concat([Buffer.from([channel]), bytes])
}

export function isReady(pod: Pod | undefined): boolean {
  return pod?.status?.conditions?.find(({ type }) => type === 'Ready')?.status === 'True'
}

export function appStatus(pod: Pod | undefined) {
  return pod?.status?.containerStatuses?.find(({ name }) => name === 'app')
}
