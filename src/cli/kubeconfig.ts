// `signpost kubeconfig`: the path of a kubeconfig that knows this cluster alone.

import { privateKubeconfig } from '../cluster/access.ts'
import type { ClusterOptions } from '../cluster/config.ts'
import { clusterPlace, contextOf, placeFlags } from '../cluster/config.ts'
import { CliError, print } from './output.ts'

export function kubeconfig(options: Pick<ClusterOptions, 'name' | 'dataDir'>): void {
  print(requireKubeconfig(options))
}

/** Throws CliError where there is no such cluster. */
export function requireKubeconfig(options: Pick<ClusterOptions, 'name' | 'dataDir'>): string {
  const { name, dataDir } = clusterPlace(options)
  const { file, exists } = privateKubeconfig(dataDir)
  if (!exists)
    throw new CliError(
      `cluster "${contextOf(name)}" does not exist; start it with: signpost up${placeFlags(options)}`,
    )
  return file
}
