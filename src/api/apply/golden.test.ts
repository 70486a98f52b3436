// Recorded Kubernetes 1.36: each write of these scripts, from the object as it was to who owns what then.
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import type { KubeObject, Resource } from '../machinery/resource.ts'
import { configmaps, deployments, services } from '../resources.gen.ts'
import { apply } from './apply.ts'
import { isObject, type JsonObject } from './atom.ts'
import type { Tracking } from './ownership.ts'
import { resetFieldsOf } from './reset-fields.ts'
import { atomOfStruct, emptyOfStruct } from './table-atoms.ts'
import { isNoChange, trackUpdate } from './update.ts'

interface Step {
  name?: string
  request?: {
    method: string
    path: string
    query?: Record<string, string>
    headers?: Record<string, string>
    body?: unknown
  }
  expect?: { code: number; body?: JsonObject }
}

const resources = { ConfigMap: configmaps, Deployment: deployments, Service: services }

function trackingOf(resource: Resource, manager: string): Tracking {
  return {
    atom: atomOfStruct(resource.struct),
    empty: emptyOfStruct(resource.struct),
    group: resource.group,
    version: resource.version,
    kind: resource.kind,
    manager,
    subresource: '',
    reset: resetFieldsOf(resource, ''),
    nowMs: 0,
  }
}

/** Times are masked in the recording; who has one at all is not. */
const owners = (object: unknown): unknown => {
  const entries = (object as KubeObject | undefined)?.metadata.managedFields ?? []
  return new Set(entries.map((entry) => ({ ...entry, time: entry.time !== undefined })))
}

const kindOf = (path: string): Resource => {
  const plural = path.split('/').at(-2)
  const found = Object.values(resources).find((resource) => resource.plural === plural)
  if (found === undefined) throw new Error(`no resource for ${path}`)
  return found as Resource
}

/** Refused before or after ownership is looked at. */
const elsewhere = (message: string): boolean =>
  /fieldManager|has been modified|immutable|does not match|dual-stack|undeterminable|Required value/.test(
    message,
  )

function checkApply(live: KubeObject | undefined, step: Required<Step>, tracking: Tracking): void {
  const { request, expect: expected } = step
  const force = request.query?.force === 'true'
  const outcome = apply(live, request.body as JsonObject, { force, tracking })
  if (outcome.ok) return expect(owners(outcome.object)).toEqual(owners(expected.body))
  expect(outcome.error.message).toBe(expected.body?.message)
  expect(outcome.error.code).toBe(expected.code)
  const causes = (body: unknown) => new Set((body as { details?: { causes?: [] } }).details?.causes)
  expect(causes(outcome.error.status)).toEqual(causes(expected.body))
}

for (const script of ['ssa-basic', 'ssa-lists', 'patch-json-merge', 'patch-strategic']) {
  describe(`ownership in ${script}`, () => {
    const url = new URL(`../../../test/golden/cases/${script}.json`, import.meta.url)
    const { steps }: { steps: Step[] } = JSON.parse(readFileSync(url, 'utf8'))
    const stored = new Map<string, KubeObject>()
    for (const [index, step] of steps.entries()) {
      const { request, expect: expected } = step
      if (request?.method !== 'PATCH' || !expected?.body || !isObject(request.body)) {
        remember(stored, step)
        continue
      }
      const live = stored.get(request.path)
      remember(stored, step)
      if (typeof expected.body.message === 'string' && elsewhere(expected.body.message)) continue
      const isApply = request.headers?.['Content-Type']?.includes('apply-patch')
      if (!isApply && expected.code !== 200) continue
      it(`${index}: ${step.name}`, () => {
        const tracking = trackingOf(kindOf(request.path), request.query?.fieldManager ?? 'replay')
        if (isApply) return checkApply(live, step as Required<Step>, tracking)
        const next = expected.body as unknown as KubeObject
        const sent = { ...next, metadata: { ...next.metadata } }
        sent.metadata = { ...sent.metadata, managedFields: live?.metadata.managedFields }
        const managedFields = trackUpdate(live, sent, tracking)
        const result = { ...sent, metadata: { ...sent.metadata, managedFields } }
        expect(owners(result)).toEqual(owners(next))
        const same = live?.metadata.resourceVersion === next.metadata.resourceVersion
        if (live && same) expect(isNoChange(live, result)).toBe(true)
      })
    }
  })
}

function remember(stored: Map<string, KubeObject>, { request, expect: expected }: Step): void {
  const body = expected?.body
  if (!request || !body || body.kind === 'Status' || request.query?.dryRun) return
  const object = body as unknown as KubeObject
  const path = request.method === 'POST' ? `${request.path}/${object.metadata.name}` : request.path
  stored.set(path, object)
}
