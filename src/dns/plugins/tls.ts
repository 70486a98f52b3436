// tls: certificate and key of a block's tls:// listeners. Read again by a reload.
import { CorefileError } from '../corefile.ts'
import { argumentOf, argumentsOf, onlyLine, unknownProperty } from '../directive.ts'
import type { Part, Plugin, TlsFiles } from '../plugin.ts'

/** The ways to treat client certificates that Node's TLS can keep to. */
const clientModes: readonly string[] = ['nocert', 'request', 'require_and_verify']

export const tls: Plugin = {
  name: 'tls',
  parse(lines): Part {
    const line = onlyLine(lines)
    const [cert, key, ca] = argumentsOf(line, 2, 3)
    let clients: TlsFiles['clients'] = 'nocert'
    for (const property of line.block ?? []) {
      if (property.words[0] !== 'client_auth') throw unknownProperty(property)
      const mode = argumentOf(property)
      if (!clientModes.includes(mode)) {
        throw new CorefileError(property, `authentication type '${mode}' is not supported`)
      }
      clients = mode as TlsFiles['clients']
    }
    return { settings: { tls: { cert: cert!, key: key!, ...(ca ? { ca } : {}), clients } } }
  },
}
