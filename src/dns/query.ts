// The client's side of one question, for probes and tools: bytes to send, addresses in the reply.
import { formatAddress } from './wire/address.ts'
import { parseType, RCODE, TYPE } from './wire/codes.ts'
import { encodeMessage } from './wire/encode.ts'
import { decodeMessage, queryMessage } from './wire/message.ts'
import { absoluteName } from './wire/name.ts'
import { WireError } from './wire/wire-error.ts'

/** A query as a stub resolver sends it. Throws WireError for a name or type that is none. */
export function encodeQuery(id: number, name: string, type: string): Uint8Array {
  const number = parseType(type)
  if (number === undefined) throw new WireError('rdata', `unknown record type "${type}"`)
  return encodeMessage(queryMessage(id, { name: absoluteName(name), type: number }))
}

/** The A and AAAA records of a reply; none for an error, or for bytes that are no reply. */
export function addressesIn(packet: Uint8Array): readonly string[] {
  try {
    const { response, rcode, answers } = decodeMessage(packet)
    if (!response || rcode !== RCODE.NOERROR) return []
    const addresses = answers.filter(({ type }) => type === TYPE.A || type === TYPE.AAAA)
    return addresses.map(({ data }) => formatAddress(data))
  } catch (error) {
    if (error instanceof WireError) return []
    throw error
  }
}
