// `signpost dns`: the DNS server alone, with CoreDNS's flags, signals and exit codes.
import { runDns } from '../dns/main.ts'
import { version } from './version.ts'

export async function dns(args: readonly string[]): Promise<void> {
  process.exit(await runDns(args, version))
}
