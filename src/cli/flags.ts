// Long flags as Kubernetes' components take them: --name=value or --name value, unknown ones refused.
import { parseArgs } from 'node:util'
import { CliError } from './output.ts'

export interface FlagSpec {
  readonly type: 'string' | 'boolean'
  /** May be given several times. */
  readonly multiple?: boolean
  readonly help: string
  /** As in "--data-dir <directory>". */
  readonly value?: string
}

export type Flags = Readonly<Record<string, string | boolean | readonly string[] | undefined>>

export function parseFlags(
  args: readonly string[],
  specs: Readonly<Record<string, FlagSpec>>,
): Flags {
  const options = Object.fromEntries(
    Object.entries(specs).map(([name, { multiple }]) => [
      name,
      { type: 'string' as const, multiple: multiple ?? false },
    ]),
  )
  // A boolean flag may be alone or have "=true"; parseArgs knows only one of the two.
  const spelled = args.map((argument) =>
    specs[argument.slice(2)]?.type === 'boolean' ? `${argument}=true` : argument,
  )
  try {
    const { values } = parseArgs({ args: spelled, options, strict: true, allowPositionals: false })
    return Object.fromEntries(
      Object.entries(values).map(([name, value]) => [
        name,
        specs[name]?.type === 'boolean' ? asBoolean(name, value) : value,
      ]),
    ) as Flags
  } catch (error) {
    throw new CliError(explain(error as Error & { code?: string }), 1)
  }
}

function asBoolean(name: string, value: unknown): boolean {
  if (value === 'true' || value === 'false') return value === 'true'
  throw new CliError(
    `invalid argument "${String(value)}" for "--${name}" flag: it is true or false`,
  )
}

function explain(error: Error & { code?: string }): string {
  const name = /'(--?[^' ]+)/.exec(error.message)?.[1] ?? ''
  if (error.code === 'ERR_PARSE_ARGS_UNKNOWN_OPTION') return `unknown flag: ${name}; see --help`
  if (error.code === 'ERR_PARSE_ARGS_INVALID_OPTION_VALUE') return `flag needs an argument: ${name}`
  if (error.code === 'ERR_PARSE_ARGS_UNEXPECTED_POSITIONAL')
    return `unknown argument: ${name || error.message}`
  return error instanceof CliError ? error.message : error.message
}

export function formatFlags(specs: Readonly<Record<string, FlagSpec>>): string {
  const names = Object.entries(specs).map(([name, { type, value }]) =>
    type === 'boolean' ? `--${name}` : `--${name} <${value ?? 'value'}>`,
  )
  const width = Math.max(...names.map((name) => name.length))
  return Object.values(specs)
    .map(({ help }, index) => `  ${names[index]!.padEnd(width)}  ${help}`)
    .join('\n')
}

export function requireFile(
  flags: Flags,
  name: string,
  read: (file: string) => string,
): string | undefined {
  const file = flags[name]
  if (typeof file !== 'string') return undefined
  try {
    return read(file)
  } catch (error) {
    throw new CliError(`cannot read --${name} "${file}": ${(error as Error).message}`)
  }
}
