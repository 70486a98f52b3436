// `signpost down`: stops a cluster and waits until nothing of it runs.
import type { ClusterOptions } from '../cluster/config.ts'
import { clusterPlace, contextOf } from '../cluster/config.ts'
import { stopCluster } from '../cluster/stop.ts'
import { print } from './output.ts'

export async function down(options: Pick<ClusterOptions, 'name' | 'dataDir'>): Promise<void> {
  const { name, dataDir } = clusterPlace(options)
  const stopped = await stopCluster(dataDir)
  print(
    stopped
      ? `cluster "${contextOf(name)}" stopped; its data is kept in ${dataDir}`
      : `cluster "${contextOf(name)}" was not running`,
  )
}
