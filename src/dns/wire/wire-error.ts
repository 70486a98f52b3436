// The one error the codec throws: the bytes are not a DNS message, or a value does not fit into one.

export type WireErrorCode =
  /** The packet ends before what its counts and lengths promise. */
  | 'short'
  /** Bytes follow the last record. */
  | 'trailing'
  /** A compression pointer does not point backwards, or a label type is unknown. */
  | 'pointer'
  /** A label above 63 bytes, a name above 255, or an empty label. */
  | 'name'
  /** Record data that its type does not allow. */
  | 'rdata'
  /** A second OPT record, or one that is not owned by the root. */
  | 'opt'
  /** A number, text or section too large for its field. */
  | 'range'

export class WireError extends Error {
  readonly code: WireErrorCode

  constructor(code: WireErrorCode, message: string) {
    super(message)
    this.name = 'WireError'
    this.code = code
  }
}
