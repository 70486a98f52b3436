// What every running part of Signpost is: something made by `startX(config, deps)` that can be stopped.

export interface Component {
  /** As in logs and metrics: "kube-apiserver", "kubelet", "coredns". */
  readonly name: string
  /** Settles once the component does its work (caches synced, port open); rejects if it cannot start. */
  ready(): Promise<void>
  /** Ends all it started and resolves when nothing of it is left. Calling it again is harmless. */
  stop(): Promise<void>
}
