// `npm run bench -- NAME [--json]`: runs one bench and prints ours, the peer's where there is one,
// and the ratio, with the machine and versions it was measured on.

import { readFileSync } from 'node:fs'
import { cpus, totalmem } from 'node:os'
import type { Bench, Figure } from './figure.ts'

const names = ['startup', 'propagation', 'memory', 'codec'] as const

function machine() {
  const manifest = JSON.parse(
    readFileSync(new URL('../package.json', import.meta.url), 'utf8'),
  ) as { version: string }
  return {
    cpu: `${cpus().length} x ${cpus()[0]?.model.trim() ?? 'unknown'}`,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    kernel: readFileSync('/proc/sys/kernel/osrelease', 'utf8').trim(),
    node: process.version,
    signpost: manifest.version,
    user: process.getuid?.() === 0 ? 'root' : 'ordinary',
  }
}

function line(figure: Figure): string {
  const number = (value: number) => (value >= 100 ? value.toFixed(0) : value.toPrecision(3))
  const ratio =
    figure.peer === undefined
      ? (figure.peerNote ?? 'no peer')
      : `x${number(figure.ours / figure.peer)} of the peer's ${number(figure.peer)}`
  const met =
    figure.target === undefined
      ? ''
      : (figure.higherIsBetter ? figure.ours >= figure.target : figure.ours <= figure.target)
        ? `target ${figure.target} met`
        : `TARGET ${figure.target} MISSED`
  return `${figure.name.padEnd(52)} ${number(figure.ours).padStart(9)} ${figure.unit.padEnd(6)} ${met.padEnd(24)} ${ratio}`
}

async function main(args: readonly string[]): Promise<void> {
  const name = args.find((argument) => !argument.startsWith('--'))
  if (!names.some((known) => known === name)) {
    process.stderr.write(
      `usage: npm run bench -- NAME [--json]; NAME is one of ${names.join(', ')}\n`,
    )
    process.exitCode = 2
    return
  }
  const { bench } = (await import(`./${name}.ts`)) as { bench: Bench }
  const figures = await bench.run()
  if (args.includes('--json')) {
    process.stdout.write(
      `${JSON.stringify({ bench: name, machine: machine(), durability: bench.durability, figures }, undefined, 2)}\n`,
    )
    return
  }
  const facts = Object.entries(machine())
    .map(([key, value]) => `${key} ${value}`)
    .join(', ')
  process.stdout.write(
    `${name}: ${bench.about}\n${facts}${bench.durability === '' ? '' : `, durability ${bench.durability}`}\n\n`,
  )
  for (const figure of figures) process.stdout.write(`${line(figure)}\n`)
}

if (process.argv[1] === import.meta.filename) await main(process.argv.slice(2))
