// From the lines of a Corefile to checked server blocks: keys, parts in chain order, settings.
// Whatever is not understood is refused here, before anything is opened.

import type { Corefile, Line, ServerBlock } from './corefile.ts'
import { CorefileError } from './corefile.ts'
import type { BlockFacts, BlockSettings, Part, Plugin } from './plugin.ts'
import { plugins, refusals } from './plugins.ts'
import type { BlockKey } from './zone-names.ts'
import { parseKey } from './zone-names.ts'

export interface ConfiguredPart {
  readonly plugin: string
  readonly part: Part
}

export interface BlockConfig {
  readonly keys: readonly BlockKey[]
  /** In chain order, whatever the order of the lines. */
  readonly parts: readonly ConfiguredPart[]
  readonly settings: BlockSettings
}

export interface ServerConfig {
  readonly blocks: readonly BlockConfig[]
  readonly warnings: readonly string[]
}

/** What CoreDNS serves when it finds no Corefile. */
export const emptyCorefile = '. {\n    whoami\n    log\n}\n'

/** Rejects with CorefileError. */
export async function configure(corefile: Corefile, dnsPort: number): Promise<ServerConfig> {
  const loaded = await loadPlugins(corefile)
  const blocks = corefile.blocks.map((block) => configureBlock(block, { dnsPort, loaded }))
  refuseDuplicates(corefile.blocks, blocks)
  return { blocks, warnings: corefile.warnings }
}

const servedSchemes: ReadonlySet<string> = new Set(['dns', 'tls'])

/** The plugins that are named, in chain order. */
async function loadPlugins({ blocks }: Corefile): Promise<readonly Plugin[]> {
  const named = new Set(blocks.flatMap(({ lines }) => lines.map(({ words }) => words[0]!)))
  const wanted = plugins.filter(({ name }) => named.has(name))
  return Promise.all(wanted.map((each) => ('load' in each ? each.load() : each)))
}

function configureBlock(
  block: ServerBlock,
  { dnsPort, loaded }: { dnsPort: number; loaded: readonly Plugin[] },
): BlockConfig {
  const keys = block.keys.flatMap((text) => {
    const parsed = parseKey(text, dnsPort)
    if (!parsed) throw new CorefileError(block, `invalid server block key '${text}'`)
    const scheme = parsed[0]!.scheme
    if (!servedSchemes.has(scheme)) {
      throw new CorefileError(block, `'${scheme}://' is not supported`)
    }
    return parsed
  })
  if (keys.length === 0) throw new CorefileError(block, 'server block has no zone')
  const facts: BlockFacts = {
    zones: [...new Set(keys.map((key) => key.zone))],
    schemes: [...new Set(keys.map((key) => key.scheme))],
    port: keys[0]!.port,
  }
  const byName = linesByName(block.lines)
  const parts = loaded.flatMap((plugin): ConfiguredPart[] => {
    const lines = byName.get(plugin.name)
    return lines ? [{ plugin: plugin.name, part: parsePart(plugin, { lines, facts }) }] : []
  })
  const settings: BlockSettings = Object.assign({}, ...parts.map(({ part }) => part.settings ?? {}))
  if (facts.schemes.includes('tls') && !settings.tls) {
    throw new CorefileError(block, `'tls://' needs the tls plugin with a certificate and a key`)
  }
  return { keys, parts, settings }
}

function linesByName(lines: readonly Line[]): ReadonlyMap<string, readonly Line[]> {
  const byName = new Map<string, Line[]>()
  for (const line of lines) {
    const name = line.words[0]!
    if (!plugins.some((plugin) => plugin.name === name)) {
      const reason = refusals.get(name)
      const known = reason === undefined ? `Unknown directive '${name}'` : ''
      throw new CorefileError(line, known || `directive '${name}' is not supported: ${reason}`)
    }
    byName.set(name, [...(byName.get(name) ?? []), line])
  }
  return byName
}

function parsePart(
  plugin: Plugin,
  { lines, facts }: { lines: readonly Line[]; facts: BlockFacts },
): Part {
  try {
    return plugin.parse(lines, facts)
  } catch (error) {
    if (error instanceof CorefileError) error.message = `plugin/${plugin.name}: ${error.message}`
    throw error
  }
}

function refuseDuplicates(sources: readonly ServerBlock[], blocks: readonly BlockConfig[]): void {
  const seen = new Set<string>()
  for (const [index, block] of blocks.entries()) {
    for (const key of block.keys) {
      for (const address of block.settings.bind ?? ['']) {
        const id = `${key.scheme}://${key.zone}:${key.port}${address === '' ? '' : ` on ${address}`}`
        if (seen.has(id)) {
          throw new CorefileError(sources[index]!, `cannot serve ${id} - it is already defined`)
        }
        seen.add(id)
      }
    }
  }
}
