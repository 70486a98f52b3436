// The commands of a story, one function each. They say what kubectl would, where they say anything.
import { readFileSync } from 'node:fs'
import * as path from 'node:path'
import type { KubeObject, Resource } from '../../src/api/machinery/resource.ts'
import { StatusError } from '../../src/api/machinery/status.ts'
import { allResources, endpointslices, events, pods } from '../../src/api/resources.gen.ts'
import type { ApiResponse } from '../../src/client/client.ts'
import { resourcePath } from '../../src/client/resource-client.ts'
import type { Table } from './print.ts'
import { formatSlices, formatTable } from './print.ts'
import type { Command } from './story.ts'
import type { World } from './world.ts'

const root = path.resolve(import.meta.dirname, '../..')

interface Call {
  readonly args: readonly string[]
  readonly namespace: string
  readonly wide: boolean
  readonly input: string
}

type Step = (world: World, call: Call) => Promise<string>

const steps: Readonly<Record<string, Step>> = {
  /** A file below the repository, or the input. */
  async apply({ cluster }, { args: [file], namespace, input }) {
    const text = file ? readFileSync(path.join(root, file), 'utf8') : input
    await cluster.apply(text, namespace)
    return ''
  },

  async create({ cluster }, { args: [kind = '', name = ''] }) {
    await cluster.client.resource(resourceNamed(kind)).create({ metadata: { name } })
    return ''
  },

  async delete(world, { args, namespace }) {
    const { resource, key } = target(world, args, namespace)
    await world.cluster.client.resource(resource).delete(key)
    return ''
  },

  async scale({ cluster }, { args: [what = '', replicas = ''], namespace }) {
    const [kind = '', name = ''] = what.split('/')
    const body = { spec: { replicas: Number(replicas) } }
    await cluster.client
      .resource(resourceNamed(kind))
      .patch({ namespace, name }, { type: 'merge', body }, { subresource: 'scale' })
    return ''
  },

  /** The input is a merge patch. */
  async patch(world, { args, namespace, input }) {
    const { resource, key } = target(world, args, namespace)
    await world.cluster.client
      .resource(resource)
      .patch(key, { type: 'merge', body: JSON.parse(input) })
    return ''
  },

  ready: (world, call) => setReady(world, call, true),
  unready: (world, call) => setReady(world, call, false),

  /** A node that loses its power, and gets it back. */
  async silence({ cluster }, { args: [node = ''] }) {
    await cluster.node(node).stop()
    return ''
  },

  async speak({ cluster }, { args: [node = ''] }) {
    await cluster.node(node).start()
    return ''
  },

  async wait({ cluster }, { args: [time = ''] }) {
    await cluster.advance(Number.parseFloat(time) * 1000)
    return ''
  },

  /** With a "-l" selector only what has the labels. */
  async get(world, { args, namespace, wide }) {
    const { resource, key } = target(world, args, namespace)
    const where = resource.namespaced ? { namespace } : {}
    const response = await world.cluster.client.transport.request({
      method: 'GET',
      path: resourcePath(resource, { ...where, ...(key.name ? { name: key.name } : {}) }),
      headers: { accept: 'application/json;as=Table;g=meta.k8s.io;v=v1,application/json' },
    })
    const table = (await readJson(response)) as Table
    if (!table.rows?.length) return 'No resources found'
    return formatTable(table, wide, (text) => world.shown(text))
  },

  async slices(world, { args: [service = ''], namespace }) {
    const labelSelector = `kubernetes.io/service-name=${service}`
    const { items } = await world.cluster.client
      .resource(endpointslices)
      .list({ namespace, labelSelector })
    return items.length === 0 ? 'no slices' : formatSlices(items, (text) => world.shown(text))
  },

  async dig(world, { args: [type = '', name = ''] }) {
    return world.dig(type, world.meant(name))
  },

  /** Reason and message of what happened to an object, oldest first. */
  async events(world, { args, namespace }) {
    const { resource, key } = target(world, args, namespace)
    const { items } = await world.cluster.client.resource(events).list({ namespace })
    return items
      .filter(({ involvedObject: of }) => of?.kind === resource.kind && of.name === key.name)
      .sort((one, other) => (one.firstTimestamp! < other.firstTimestamp! ? -1 : 1))
      .map(({ type, reason, message, count }) => `${type} ${reason} x${count ?? 1} ${message}`)
      .join('\n')
  },
}

/** Runs a command and lets the cluster come to rest; what the API refuses is printed. */
export async function runCommand(world: World, command: Command): Promise<string> {
  const [verb = '', ...words] = command.words
  const step = steps[verb]
  if (!step) throw new Error(`line ${command.line}: no command "${verb}"`)
  const text = await step(world, { ...parseWords(words), input: command.input }).catch(
    (error: unknown) => {
      if (error instanceof StatusError) return `error: ${error.message}`
      throw error
    },
  )
  if (verb !== 'wait') await world.cluster.settle()
  return world.shown(text)
}

function parseWords(words: readonly string[]): Omit<Call, 'input'> {
  const args: string[] = []
  let namespace = 'default'
  let wide = false
  for (let index = 0; index < words.length; index++) {
    const word = words[index]!
    if (word === '-n') namespace = words[++index] ?? ''
    else if (word === '-o') wide = words[++index] === 'wide'
    else args.push(word)
  }
  return { args, namespace, wide }
}

/** "svc/web" or "svc web"; "svc" alone has no name. */
function target(world: World, args: readonly string[], namespace: string) {
  const [kind = '', name = ''] = args.join('/').split('/')
  const resource = resourceNamed(kind)
  const where = resource.namespaced ? { namespace } : {}
  return { resource, key: { ...where, name: world.meant(name) } }
}

function resourceNamed(word: string): Resource {
  const found = allResources.find(
    ({ plural, singular, shortNames }: Resource) =>
      plural === word || singular === word || shortNames.includes(word),
  )
  if (!found) throw new Error(`no resource "${word}"`)
  return found as Resource
}

/** Pods by name, or all with a label. */
async function setReady(world: World, { args, namespace }: Call, ready: boolean): Promise<string> {
  for (const wanted of args) {
    const names = wanted.includes('=')
      ? (await world.cluster.client.resource(pods).list({ namespace, labelSelector: wanted })).items
          .filter(({ metadata }: KubeObject) => !metadata.deletionTimestamp)
          .map(({ metadata }) => metadata.name)
      : [world.meant(wanted)]
    for (const name of names) await world.cluster.setReady(`${namespace}/${name}`, ready)
  }
  return ''
}

async function readJson(response: ApiResponse): Promise<unknown> {
  const chunks: Uint8Array[] = []
  for await (const chunk of response.body) chunks.push(chunk)
  const value = JSON.parse(Buffer.concat(chunks).toString()) as { kind?: string }
  if (value.kind === 'Status') throw new StatusError(value as never)
  return value
}
