// An expected refusal of the kubelet's server; the text is what the client sees.

export class HttpError extends Error {
  override readonly name = 'HttpError'
  readonly code: number

  constructor(code: number, message: string) {
    super(message)
    this.code = code
  }
}
