// How kubectl get shows a Pod: the status column is the story of its containers.
import { formatAge } from '../machinery/age.ts'
import { ageOf, columnsOf, orNone } from '../machinery/columns.ts'
import type { TableRow } from '../machinery/table.ts'
import type { Container, ContainerStatus, Pod } from '../types/core.gen.ts'
import { findPodCondition } from './pod-state.ts'

export const podColumns = columnsOf(
  'Name | Ready | Status | Restarts | Age | IP? | Node? | Nominated Node? | Readiness Gates?',
)

interface Story {
  status: string
  restarts: number
  lastRestart: string | undefined
}

export function podRow(pod: Pod, nowMs: number): TableRow {
  const { metadata, spec, status } = pod
  const story = storyOf(pod)
  const ready = readyCount(pod)
  const total = spec.containers.length + sidecars(pod).length
  const restarts =
    story.restarts > 0 && story.lastRestart !== undefined
      ? `${story.restarts} (${formatAge(story.lastRestart, nowMs)} ago)`
      : String(story.restarts)
  return {
    cells: [
      metadata.name,
      `${ready}/${total}`,
      story.status,
      restarts,
      ageOf(pod, nowMs),
      orNone(status?.podIPs?.[0]?.ip ?? status?.podIP),
      orNone(spec.nodeName),
      orNone(status?.nominatedNodeName),
      readinessGates(pod),
    ],
    ...finished(pod),
  }
}

const finishedConditions: Readonly<Record<string, string>> = {
  Succeeded: 'The pod has completed successfully.',
  Failed: 'The pod failed.',
}

function finished({ status }: Pod): Pick<TableRow, 'conditions'> {
  const message = finishedConditions[status?.phase ?? '']
  if (message === undefined) return {}
  return { conditions: [{ type: 'Completed', status: 'True', reason: status!.phase!, message }] }
}

const isSidecar = (container: Container | undefined): boolean =>
  container?.restartPolicy === 'Always'

const sidecars = ({ spec }: Pod): readonly Container[] =>
  (spec.initContainers ?? []).filter(isSidecar)

const sidecarOf = ({ spec }: Pod, status: ContainerStatus): boolean =>
  isSidecar(spec.initContainers?.find(({ name }) => name === status.name))

function readyCount(pod: Pod): number {
  const initStatuses = pod.status?.initContainerStatuses ?? []
  const readySidecars = initStatuses.filter(
    (status) => sidecarOf(pod, status) && status.started && status.ready,
  ).length
  const initializing = initializingStatus(pod) !== undefined
  if (initializing && !isInitialized(pod)) return readySidecars
  const statuses = pod.status?.containerStatuses ?? []
  return readySidecars + statuses.filter(({ ready, state }) => ready && state?.running).length
}

const isInitialized = (pod: Pod): boolean => findPodCondition(pod, 'Initialized')?.status === 'True'

function storyOf(pod: Pod): Story {
  const story: Story = { status: phaseStatus(pod), restarts: 0, lastRestart: undefined }
  const sidecarStory: Story = { ...story }
  for (const status of pod.status?.initContainerStatuses ?? []) {
    count(story, status)
    if (sidecarOf(pod, status)) count(sidecarStory, status)
  }
  const initializing = initializingStatus(pod)
  if (initializing !== undefined) story.status = initializing
  if (initializing === undefined || isInitialized(pod)) {
    // Init containers ran long ago: only restarts of sidecars still tell something.
    story.restarts = sidecarStory.restarts
    story.lastRestart = sidecarStory.lastRestart
    const running = tellContainers(pod, story)
    if (story.status === 'Completed' && running) {
      story.status = findPodCondition(pod, 'Ready')?.status === 'True' ? 'Running' : 'NotReady'
    }
  }
  if (pod.metadata.deletionTimestamp !== undefined) {
    if (pod.status?.reason === 'NodeLost') story.status = 'Unknown'
    else if (!isTerminal(pod)) story.status = 'Terminating'
  }
  return story
}

const isTerminal = ({ status }: Pod): boolean =>
  status?.phase === 'Succeeded' || status?.phase === 'Failed'

function phaseStatus(pod: Pod): string {
  const scheduled = findPodCondition(pod, 'PodScheduled')
  if (scheduled?.reason === 'SchedulingGated') return 'SchedulingGated'
  return pod.status?.reason || (pod.status?.phase ?? '')
}

function count(story: Story, { restartCount, lastState }: ContainerStatus): void {
  story.restarts += restartCount
  const ended = lastState?.terminated?.finishedAt
  if (ended && (story.lastRestart === undefined || story.lastRestart < ended)) {
    story.lastRestart = ended
  }
}

/** "Init:…" while init containers run or fail; undefined once they are done. */
function initializingStatus(pod: Pod): string | undefined {
  const statuses = pod.status?.initContainerStatuses ?? []
  for (const [index, status] of statuses.entries()) {
    const { state } = status
    if (state?.terminated?.exitCode === 0) continue
    if (sidecarOf(pod, status) && status.started) continue
    if (state?.terminated) return `Init:${ended(state.terminated)}`
    const reason = state?.waiting?.reason
    if (reason && reason !== 'PodInitializing') return `Init:${reason}`
    return `Init:${index}/${(pod.spec.initContainers ?? []).length}`
  }
  return undefined
}

type Terminated = NonNullable<NonNullable<ContainerStatus['state']>['terminated']>

const ended = ({ reason, signal, exitCode }: Terminated): string =>
  reason || (signal ? `Signal:${signal}` : `ExitCode:${exitCode}`)

/** The first container with something to say wins; true if any container runs. */
function tellContainers(pod: Pod, story: Story): boolean {
  let running = false
  for (const status of [...(pod.status?.containerStatuses ?? [])].reverse()) {
    const { state, ready } = status
    count(story, status)
    if (state?.waiting?.reason) story.status = state.waiting.reason
    else if (state?.terminated) story.status = ended(state.terminated)
    else if (ready && state?.running) running = true
  }
  return running
}

function readinessGates(pod: Pod): string {
  const gates = pod.spec.readinessGates ?? []
  if (gates.length === 0) return '<none>'
  const met = gates.filter(
    ({ conditionType }) => findPodCondition(pod, conditionType)?.status === 'True',
  ).length
  return `${met}/${gates.length}`
}
