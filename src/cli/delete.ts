// `signpost delete`: stops a cluster, removes its data and takes its context out of the kubeconfig.

import { kubeconfigPath } from '../cluster/access.ts'
import type { ClusterOptions } from '../cluster/config.ts'
import { clusterPlace, contextOf } from '../cluster/config.ts'
import { removeFromKubeconfig } from '../cluster/kubeconfig.ts'
import { removeData, stopCluster } from '../cluster/stop.ts'
import { print } from './output.ts'

interface DeleteOptions extends Pick<ClusterOptions, 'name' | 'dataDir'> {
  readonly kubeconfig?: string
}

export async function deleteCluster(options: DeleteOptions): Promise<void> {
  const { name, dataDir, remembered } = clusterPlace(options)
  const found = await stopCluster(dataDir)
  const existed = removeData(dataDir) || found
  const context = contextOf(name)
  const kubeconfig = options.kubeconfig ?? remembered?.kubeconfig ?? kubeconfigPath()
  if (existed) removeFromKubeconfig(kubeconfig, context)
  print(existed ? `cluster "${context}" deleted` : `cluster "${context}" does not exist`)
}
