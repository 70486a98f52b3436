// A Pod made from a workload's template.
import type { KubeObject, Resource } from '../api/machinery/resource.ts'
import type { Pod, PodTemplateSpec } from '../api/types/core.gen.ts'
import { nameSuffix, type Random } from '../lib/random.ts'
import { controllerRef } from './ownership.ts'

const suffixLength = 5
const maxNameLength = 63

/**
 * The name is drawn here, so that the event that tells of the Pod can say it; generateName is
 * set besides, as it is on Pods that upstream's controllers make.
 */
export function podFromTemplate(
  template: PodTemplateSpec | undefined,
  owner: {
    readonly resource: Pick<Resource, 'group' | 'version' | 'kind'>
    readonly object: KubeObject
  },
  random: Random,
): Pod {
  const generateName = `${owner.object.metadata.name}-`
  const { labels, annotations, finalizers } = template?.metadata ?? {}
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: generatedName(generateName, random),
      generateName,
      namespace: owner.object.metadata.namespace,
      ...(labels ? { labels } : {}),
      ...(annotations ? { annotations } : {}),
      ...(finalizers?.length ? { finalizers } : {}),
      ownerReferences: [controllerRef(owner.resource, owner.object)],
    },
    spec: template?.spec ?? { containers: [] },
  }
}

/** As the API server makes a name from generateName. */
export const generatedName = (prefix: string, random: Random): string =>
  `${prefix.slice(0, maxNameLength - suffixLength)}${nameSuffix(random, suffixLength)}`
