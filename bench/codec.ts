// What one object costs to read and to write, in JSON and protobuf. The peer is what Node.js does
// without knowing any struct: JSON.parse and JSON.stringify of the same text.
import { readFileSync } from 'node:fs'
import { readBody } from '../src/api/schema/body.ts'
import { encode } from '../src/api/schema/encode.ts'
import { decodeProtobuf, encodeProtobuf } from '../src/api/schema/protobuf.ts'
import type { Bench, Figure } from './figure.ts'

const golden = new URL('../test/golden/roundtrip/', import.meta.url)
const rounds = 7
const runsPerRound = 5000

interface Goal {
  readonly peer: number
  readonly target?: number
}

/** Microseconds a call, the median of several rounds after one to warm up. */
function micros(run: () => void): number {
  const times: number[] = []
  for (let round = 0; round <= rounds; round++) {
    const start = performance.now()
    for (let index = 0; index < runsPerRound; index++) run()
    if (round > 0) times.push(((performance.now() - start) * 1000) / runsPerRound)
  }
  return times.sort((a, b) => a - b)[Math.floor(times.length / 2)] ?? Number.NaN
}

function figuresOf(kind: string, targetMicros: number): Figure[] {
  const pair = JSON.parse(readFileSync(new URL(`v1__${kind}.json`, golden), 'utf8')) as {
    json: object
    protobuf: string
  }
  const struct = `core.v1.${kind}`
  const type = { apiVersion: 'v1', kind }
  const text = Buffer.from(JSON.stringify(pair.json))
  const bytes = Buffer.from(pair.protobuf, 'base64')
  const parse = micros(() => JSON.parse(text.toString('utf8')))
  const stringify = micros(() => JSON.stringify(pair.json))
  const figure = (name: string, run: () => void, { peer, target }: Goal): Figure => ({
    name: `${kind} (${text.length} B): ${name}`,
    unit: 'us',
    ours: micros(run),
    peer,
    ...(target !== undefined && { target }),
  })
  const readJson = () => readBody(text, 'json', { ...type, struct })
  return [
    figure('read JSON body, strict', readJson, { peer: parse, target: targetMicros }),
    figure('write JSON', () => encode(struct, pair.json), { peer: stringify }),
    figure('read protobuf', () => decodeProtobuf(bytes, type), { peer: parse }),
    figure('write protobuf', () => encodeProtobuf(type, struct, pair.json), { peer: stringify }),
  ]
}

export const bench: Bench = {
  about: 'reading and writing one object',
  durability: '',
  run: async () => [...figuresOf('Service', 15), ...figuresOf('Pod', 40)],
}
