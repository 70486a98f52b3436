// CoreDNS's command line. Go's flags: one dash or two, a value behind "=" or as the next word.

export interface DnsFlags {
  /** Absent: ./Corefile where there is one. "stdin" reads standard input. */
  readonly conf?: string
  readonly dnsPort?: number
  readonly pidfile?: string
  readonly quiet: boolean
  readonly plugins: boolean
  readonly version: boolean
  readonly help: boolean
}

export class FlagError extends Error {}

const withValue = ['conf', 'dns.port', 'p', 'pidfile']
const alone = ['quiet', 'plugins', 'version', 'help', 'h']

export const usage = `Usage: signpost dns [flags]
  -conf string       Corefile to load (default "Corefile"); "stdin" reads standard input
  -dns.port string   default port (default "53"); also -p
  -pidfile string    path to write the process id to
  -plugins           list the plugins and exit
  -quiet             do not print the zones and the version at start
  -version           show the version and exit
`

export function parseFlags(args: readonly string[]): DnsFlags {
  const values = new Map<string, string>()
  for (let index = 0; index < args.length; index++) {
    const [, name = '', inline] = /^--?([^-=][^=]*)(?:=(.*))?$/s.exec(args[index]!) ?? []
    if (withValue.includes(name)) {
      const value = inline ?? args[++index]
      if (value === undefined) throw new FlagError(`flag needs an argument: -${name}`)
      values.set(name === 'p' ? 'dns.port' : name, value)
    } else if (alone.includes(name)) {
      values.set(name === 'h' ? 'help' : name, inline ?? 'true')
    } else if (name === '') {
      throw new FlagError(`extra command line arguments: ${args.slice(index).join(' ')}`)
    } else {
      throw new FlagError(`flag provided but not defined: -${name}`)
    }
  }
  const port = values.get('dns.port')
  if (port !== undefined && !(/^\d+$/.test(port) && Number(port) <= 65_535)) {
    throw new FlagError(`invalid value "${port}" for flag -dns.port`)
  }
  const isSet = (name: string) => values.get(name) === 'true'
  return {
    ...(values.has('conf') ? { conf: values.get('conf')! } : {}),
    ...(port === undefined ? {} : { dnsPort: Number(port) }),
    ...(values.has('pidfile') ? { pidfile: values.get('pidfile')! } : {}),
    quiet: isSet('quiet'),
    plugins: isSet('plugins'),
    version: isSet('version'),
    help: isSet('help'),
  }
}
