// The Kubernetes release that API server and kubelet say they are. A client compares the two.

/** As clients that compare releases read it. */
export const kubernetesRelease = '1.36'

/** As /version and a Node's kubeletVersion tell it. */
export const gitVersion = `v${kubernetesRelease}.2+signpost`
