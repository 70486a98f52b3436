// The scale subresource of a custom resource: replicas and selector at the paths it declares.
import type { FieldError } from '../../api/machinery/field-error.ts'
import { invalid } from '../../api/machinery/field-error.ts'
import type { ScaleStrategy } from '../../api/machinery/kind.ts'
import type { KubeObject } from '../../api/machinery/resource.ts'
import { isObject } from '../../api/structural/schema.ts'
import type { CustomResourceSubresourceScale } from '../../api/types/apiextensions.gen.ts'

const maxInt32 = 2147483647

const stepsOf = (path: string): string[] => path.replace(/^\./, '').split('.')

function valueAt(object: unknown, path: string): unknown {
  return stepsOf(path).reduce<unknown>(
    (value, step) => (isObject(value) && Object.hasOwn(value, step) ? value[step] : undefined),
    object,
  )
}

const numberAt = (object: unknown, path: string): number => {
  const value = valueAt(object, path)
  return typeof value === 'number' ? value : 0
}

function setAt(object: Record<string, unknown>, path: string, value: unknown): void {
  const steps = stepsOf(path)
  const last = steps.pop() as string
  let parent = object
  for (const step of steps) {
    const below = parent[step]
    if (isObject(below)) parent = below
    else {
      const made: Record<string, unknown> = {}
      parent[step] = made
      parent = made
    }
  }
  parent[last] = value
}

/** Where owners of the replicas stand in managedFields: ["f:spec", "f:replicas"]. */
export const fieldsOf = (path: string): string[] => stepsOf(path).map((step) => `f:${step}`)

export function scaleStrategyOf(scale: CustomResourceSubresourceScale): ScaleStrategy {
  const { specReplicasPath, statusReplicasPath, labelSelectorPath } = scale
  return {
    read: (object: KubeObject) => {
      const selector = labelSelectorPath ? valueAt(object, labelSelectorPath) : undefined
      return {
        specReplicas: numberAt(object, specReplicasPath),
        statusReplicas: numberAt(object, statusReplicasPath),
        selector: typeof selector === 'string' && selector !== '' ? selector : undefined,
      }
    },
    write: (object, replicas) => {
      setAt(object as unknown as Record<string, unknown>, specReplicasPath, replicas)
    },
    replicasPath: fieldsOf(specReplicasPath),
  }
}

function replicasErrors(object: KubeObject, path: string): FieldError[] {
  const value = valueAt(object, path)
  if (value === undefined) return []
  if (typeof value !== 'number' || !Number.isInteger(value)) {
    const type = typeof value === 'number' ? 'float64' : typeof value
    const detail = `${path} accessor error: ${JSON.stringify(value)} is of the type ${type}, expected int64`
    return [invalid(path, 0, detail)]
  }
  if (value < 0) return [invalid(path, value, 'should be a non-negative integer')]
  return value > maxInt32
    ? [invalid(path, value, `should be less than or equal to ${maxInt32}`)]
    : []
}

/** What a Scale could not show. `part`: a status write touches the status only. */
export function scaleErrors(
  object: KubeObject,
  scale: CustomResourceSubresourceScale | undefined,
  part: 'all' | 'status',
): FieldError[] {
  if (!scale) return []
  const { specReplicasPath, statusReplicasPath, labelSelectorPath } = scale
  const spec = part === 'all' ? replicasErrors(object, specReplicasPath) : []
  const selector = labelSelectorPath ? valueAt(object, labelSelectorPath) : undefined
  const wrong = selector !== undefined && typeof selector !== 'string'
  const detail = `${labelSelectorPath} accessor error: ${JSON.stringify(selector)} is of the type ${typeof selector}, expected string`
  return [
    ...spec,
    ...replicasErrors(object, statusReplicasPath),
    ...(wrong ? [invalid(labelSelectorPath as string, '', detail)] : []),
  ]
}
