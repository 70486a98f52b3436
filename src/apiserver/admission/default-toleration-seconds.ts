// A Pod stays five minutes on a node that is not ready or not reachable, unless it says otherwise.
import type { Draft } from '../../api/machinery/draft.ts'
import { pods } from '../../api/resources.gen.ts'
import type { Pod, Toleration } from '../../api/types/core.gen.ts'
import { objectOf } from './refuse.ts'
import type { AdmissionPlugin } from './request.ts'

const tolerationSeconds = 300
const keys = ['node.kubernetes.io/not-ready', 'node.kubernetes.io/unreachable']

export const defaultTolerationSeconds: AdmissionPlugin = {
  name: 'DefaultTolerationSeconds',
  operations: ['CREATE', 'UPDATE'],
  resources: ['pods'],
  admit(request) {
    const spec = objectOf(request, pods).spec as Draft<NonNullable<Pod['spec']>>
    const had = spec.tolerations ?? []
    const added = keys
      .filter((key) => !had.some((toleration) => tolerates(toleration, key)))
      .map((key) => ({ key, operator: 'Exists', effect: 'NoExecute', tolerationSeconds }) as const)
    if (added.length > 0) spec.tolerations = [...had, ...added]
    return undefined
  },
}

const tolerates = ({ key, effect }: Toleration, wanted: string): boolean =>
  (key === wanted || !key) && (effect === 'NoExecute' || !effect)
