// resolv.conf(5): the name servers and search domains of a host.
import { parseAddress } from './wire/address.ts'

export interface ResolvConf {
  readonly nameservers: readonly string[]
  readonly search: readonly string[]
}

export function parseResolvConf(text: string): ResolvConf {
  const nameservers: string[] = []
  let search: readonly string[] = []
  for (const line of text.split('\n')) {
    const [keyword, ...values] = line
      .replace(/[#;].*$/, '')
      .trim()
      .split(/\s+/)
    if (keyword === 'nameserver' && values[0] && parseAddress(values[0].replace(/%.*$/, ''))) {
      nameservers.push(values[0])
    }
    // The last of "search" and "domain" wins.
    if (keyword === 'search') search = values
    if (keyword === 'domain') search = values.slice(0, 1)
  }
  return { nameservers, search }
}
