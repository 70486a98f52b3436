// Which of the Nodes a Pod can go to suits it best: upstream's default plugins and weights.
import { matchesTerm } from '../api/core/node-affinity.ts'
import { type Amounts, podRequests } from '../api/core/pod-requests.ts'
import { toleratesTaint } from '../api/core/toleration.ts'
import type { Pod } from '../api/types/core.gen.ts'
import type { Random } from '../lib/random.ts'
import { affinityScores } from './affinity.ts'
import { type ClusterView, type NodeInfo, scoringDefaults } from './nodes.ts'
import { spreadScores } from './spread.ts'

const best = 100

/** Scores from 0 to `best`, in the order of the Nodes. */
type Scores = readonly number[]

/** Total scores of the feasible Nodes, in their order. */
export function score(pod: Pod, feasible: readonly NodeInfo[], view: ClusterView): Scores {
  const plugins: readonly (readonly [weight: number, scores: Scores | undefined])[] = [
    [3, taintScores(pod, feasible)],
    [2, nodeAffinityScores(pod, feasible)],
    [2, evenness(pod, feasible, view)],
    [2, closeness(pod, feasible, view)],
    [1, resourceScores(pod, feasible, leastAllocated)],
    [1, resourceScores(pod, feasible, balanced)],
    [1, imageScores(pod, feasible, view)],
  ]
  return feasible.map((_, at) =>
    plugins.reduce((sum, [weight, scores]) => sum + weight * (scores?.[at] ?? 0), 0),
  )
}

/** One of the Nodes with the highest score, each as likely as the others. */
export function choose(
  pod: Pod,
  feasible: readonly NodeInfo[],
  { view, random }: { readonly view: ClusterView; readonly random: Random },
): NodeInfo | undefined {
  if (feasible.length <= 1) return feasible[0]
  const scores = score(pod, feasible, view)
  const highest = Math.max(...scores)
  const tied = feasible.filter((_, at) => scores[at] === highest)
  return tied[Math.floor(random.next() * tied.length)]
}

/** Stretched so that the highest is `best`; turned round when less is better. */
function normalised(raw: readonly number[], lessIsBetter = false): Scores {
  const highest = Math.max(...raw)
  if (highest === 0) return raw.map(() => (lessIsBetter ? best : 0))
  return raw.map((value) => {
    const share = Math.trunc((best * value) / highest)
    return lessIsBetter ? best - share : share
  })
}

function taintScores(pod: Pod, feasible: readonly NodeInfo[]): Scores {
  const tolerations = (pod.spec.tolerations ?? []).filter(
    ({ effect }) => !effect || effect === 'PreferNoSchedule',
  )
  const disliked = ({ node }: NodeInfo) =>
    (node.spec.taints ?? []).filter(
      (taint) =>
        taint.effect === 'PreferNoSchedule' &&
        !tolerations.some((toleration) => toleratesTaint(toleration, taint)),
    ).length
  return normalised(feasible.map(disliked), true)
}

function nodeAffinityScores(pod: Pod, feasible: readonly NodeInfo[]): Scores | undefined {
  const preferred = pod.spec.affinity?.nodeAffinity?.preferredDuringSchedulingIgnoredDuringExecution
  if (!preferred?.length) return undefined
  const weights = feasible.map(({ node }) =>
    preferred.reduce(
      (sum, { weight, preference }) => sum + (matchesTerm(preference, node) ? weight : 0),
      0,
    ),
  )
  return normalised(weights)
}

function evenness(pod: Pod, feasible: readonly NodeInfo[], view: ClusterView): Scores | undefined {
  const scoreOf = spreadScores(pod, view, feasible)
  if (!scoreOf) return undefined
  const raw = feasible.map(scoreOf)
  const known = raw.filter((value) => value !== undefined)
  const [lowest, highest] = [Math.min(...known), Math.max(...known)]
  return raw.map((value) => {
    if (value === undefined) return 0
    return highest === 0 ? best : Math.trunc((best * (highest + lowest - value)) / highest)
  })
}

function closeness(pod: Pod, feasible: readonly NodeInfo[], view: ClusterView): Scores | undefined {
  const scoreOf = affinityScores(pod, view)
  if (!scoreOf) return undefined
  const raw = feasible.map(scoreOf)
  const [lowest, highest] = [Math.min(...raw), Math.max(...raw)]
  return raw.map((value) =>
    highest === lowest ? 0 : Math.trunc((best * (value - lowest)) / (highest - lowest)),
  )
}

const weighedResources = ['cpu', 'memory']

function resourceScores(
  pod: Pod,
  feasible: readonly NodeInfo[],
  scoreOf: (shares: readonly number[]) => number,
): Scores {
  const requests = podRequests(pod, scoringDefaults)
  return feasible.map((info) => scoreOf(sharesOf(info, requests)))
}

/** How full the Node would be of each resource it has; above 1 when it is overbooked. */
const sharesOf = ({ weighed, allocatable }: NodeInfo, requests: Amounts): readonly number[] =>
  weighedResources
    .filter((resource) => (allocatable[resource] ?? 0) > 0)
    .map(
      (resource) =>
        ((weighed[resource] ?? 0) + (requests[resource] ?? 0)) / (allocatable[resource] ?? 1),
    )

const leastAllocated = (shares: readonly number[]): number =>
  shares.length === 0
    ? 0
    : Math.trunc(
        shares.reduce((sum, share) => sum + Math.trunc(best * Math.max(0, 1 - share)), 0) /
          shares.length,
      )

function balanced(shares: readonly number[]): number {
  const capped = shares.map((share) => Math.min(1, share))
  const [cpu, memory] = capped
  if (cpu === undefined || memory === undefined) return best
  return Math.trunc((1 - Math.abs(cpu - memory) / 2) * best)
}

const mebibyte = 1024 * 1024
const leastImage = 23 * mebibyte
const mostImage = 1000 * mebibyte

/** Nodes that have the images already; what few Nodes have counts less, so that they do not fill up. */
function imageScores(
  pod: Pod,
  feasible: readonly NodeInfo[],
  view: ClusterView,
): Scores | undefined {
  const wanted = [...(pod.spec.initContainers ?? []), ...pod.spec.containers].map(({ image }) =>
    normalName(image),
  )
  const sizeOn = ({ node }: NodeInfo, image: string): number =>
    node.status?.images?.find(({ names }) => names?.some((name) => normalName(name) === image))
      ?.sizeBytes ?? 0
  const shares = wanted.map(
    (image) => view.nodes.filter((info) => sizeOn(info, image) > 0).length / view.nodes.length,
  )
  if (shares.every((share) => share === 0)) return undefined
  return feasible.map((info) => {
    const sum = wanted.reduce(
      (total, image, at) => total + sizeOn(info, image) * (shares[at] ?? 0),
      0,
    )
    const most = mostImage * wanted.length
    const clamped = Math.min(most, Math.max(leastImage, sum))
    return Math.trunc((best * (clamped - leastImage)) / (most - leastImage))
  })
}

const normalName = (image: string | undefined): string => {
  const name = image ?? ''
  return name.lastIndexOf(':') <= name.lastIndexOf('/') ? `${name}:latest` : name
}
