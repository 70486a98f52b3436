// Which fields a path never writes, and so nobody comes to own through it.
import type { Resource } from '../machinery/resource.ts'
import { emptySet, type FieldSet, setOf } from './field-set.ts'

const status = setOf('status')
const spec = setOf('spec')

/** Status strategies that keep more than the spec (upstream, GetResetFields of each strategy). */
const ofStatus: Readonly<Record<string, FieldSet>> = {
  'deployments.apps': setOf('spec', 'metadata.labels'),
  pods: setOf('spec', 'metadata.deletionTimestamp', 'metadata.ownerReferences'),
  'customresourcedefinitions.apiextensions.k8s.io': setOf('spec', 'metadata'),
  'flowschemas.flowcontrol.apiserver.k8s.io': setOf('spec', 'metadata'),
  'prioritylevelconfigurations.flowcontrol.apiserver.k8s.io': setOf('spec', 'metadata'),
}

/** For Tracking.reset of a built-in kind. */
export function resetFieldsOf(
  resource: Pick<Resource, 'group' | 'plural' | 'subresources'>,
  subresource: string,
): FieldSet {
  const hasStatus = resource.subresources.some(({ name }) => name === 'status')
  if (subresource === '') return hasStatus ? status : emptySet
  if (subresource !== 'status') return emptySet
  const { group, plural } = resource
  return ofStatus[group === '' ? plural : `${plural}.${group}`] ?? spec
}
