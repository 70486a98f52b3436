// What every plugin needs to read its lines: errors with their place, numbers, durations, zones.
import type { Line } from './corefile.ts'
import { CorefileError } from './corefile.ts'
import { normalizeZones } from './zone-names.ts'

export const wrongArguments = (line: Line): CorefileError =>
  new CorefileError(
    line,
    `Wrong argument count or unexpected line ending after '${line.words.at(-1)}'`,
  )

export const unknownProperty = (line: Line): CorefileError =>
  new CorefileError(line, `unknown property '${line.words[0]}'`)

/** The arguments behind the word, of which there must be from `min` to `max`. */
export function argumentsOf(line: Line, min = 0, max = min): readonly string[] {
  const args = line.words.slice(1)
  if (args.length < min || args.length > max) throw wrongArguments(line)
  return args
}

/** The only argument. */
export const argumentOf = (line: Line): string => argumentsOf(line, 1)[0]!

/** For plugins that may stand once in a block. */
export function onlyLine(lines: readonly Line[]): Line {
  if (lines.length > 1) {
    throw new CorefileError(lines[1]!, 'this plugin can only be used once per Server Block')
  }
  return lines[0]!
}

const unitMs: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
}

/** Go's durations ("1m30s", "500ms", "0") in milliseconds; undefined for anything else. */
export function parseDurationMs(text: string): number | undefined {
  if (text === '0') return 0
  if (!/^(?:\d+(?:\.\d*)?(?:ns|us|µs|ms|s|m|h))+$/.test(text)) return undefined
  let total = 0
  for (const [, count, unit] of text.matchAll(/([\d.]+)(ns|us|µs|ms|s|m|h)/g)) {
    total += Number(count) * unitMs[unit!]!
  }
  return total
}

export function durationMs(line: Line, text: string): number {
  const value = parseDurationMs(text)
  if (value === undefined) throw new CorefileError(line, `invalid duration '${text}'`)
  return value
}

export interface Bounds {
  readonly min?: number
  readonly max?: number
}

export function integer(line: Line, text: string, { min = 0, max = 2 ** 31 }: Bounds = {}): number {
  const value = /^-?\d+$/.test(text) ? Number(text) : Number.NaN
  if (!(value >= min && value <= max)) {
    throw new CorefileError(line, `'${text}' is not a number from ${min} to ${max}`)
  }
  return value
}

/** Zones given as arguments, normalised; the block's own where none are given. */
export function zonesOr(line: Line, args: readonly string[], fallback: readonly string[]) {
  return args.length === 0 ? fallback : zones(line, args)
}

export function zones(line: Line, args: readonly string[]): readonly string[] {
  return args.flatMap((text) => {
    const normal = normalizeZones(text)
    if (normal === undefined) throw new CorefileError(line, `invalid zone '${text}'`)
    return normal
  })
}

/** An address to listen on: ":8080", "host:8080", "[::1]:8080", "8080". */
export function listenAddress(line: Line, text: string): { host: string; port: number } {
  const [, bracketed, plain, port] = /^(?:\[(.+)\]|([^:[\]]*)):(\d+)$/.exec(text) ?? []
  if (port === undefined || Number(port) > 65_535) {
    throw new CorefileError(line, `'${text}' is not a listen address`)
  }
  return { host: bracketed ?? plain ?? '', port: Number(port) }
}
