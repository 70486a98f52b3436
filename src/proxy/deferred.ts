// A promise that is settled from outside, for what becomes ready later.
export interface Deferred {
  readonly promise: Promise<void>
  resolve(): void
  reject(error: unknown): void
}

export function createDeferred(): Deferred {
  let resolve = (): void => {}
  let reject = (_: unknown): void => {}
  const promise = new Promise<void>((onResolve, onReject) => {
    resolve = onResolve
    reject = onReject
  })
  // Nobody need ask: a proxy that is stopped early is no unhandled rejection.
  promise.catch(() => {})
  return { promise, resolve, reject }
}
