// A Pod of a Job; those of an Indexed Job know their index by name, label, variable and host name.
import { jobs } from '../../api/resources.gen.ts'
import type { Job } from '../../api/types/batch.gen.ts'
import type { Container, Pod } from '../../api/types/core.gen.ts'
import type { Random } from '../../lib/random.ts'
import { generatedName, podFromTemplate } from '../pod-template.ts'
import { indexAnnotation, trackingFinalizer } from './count.ts'

const indexVariable = 'JOB_COMPLETION_INDEX'

export function buildJobPod(job: Job, index: number | undefined, random: Random): Pod {
  const pod = podFromTemplate(job.spec.template, { resource: jobs, object: job }, random)
  const finalizers = [...(pod.metadata.finalizers ?? []), trackingFinalizer]
  if (index === undefined) return { ...pod, metadata: { ...pod.metadata, finalizers } }
  const prefix = `${job.metadata.name}-${index}-`
  const marked = { [indexAnnotation]: String(index) }
  const { containers, initContainers } = pod.spec
  return {
    ...pod,
    metadata: {
      ...pod.metadata,
      name: generatedName(prefix, random),
      generateName: prefix,
      finalizers,
      labels: { ...pod.metadata.labels, ...marked },
      annotations: { ...pod.metadata.annotations, ...marked },
    },
    spec: {
      ...pod.spec,
      hostname: `${job.metadata.name}-${index}`,
      containers: containers.map(withIndex),
      ...(initContainers ? { initContainers: initContainers.map(withIndex) } : {}),
    },
  }
}

function withIndex(container: Container): Container {
  if (container.env?.some(({ name }) => name === indexVariable)) return container
  const fieldRef = { fieldPath: `metadata.labels['${indexAnnotation}']` }
  return {
    ...container,
    env: [...(container.env ?? []), { name: indexVariable, valueFrom: { fieldRef } }],
  }
}
