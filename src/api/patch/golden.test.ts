// Recorded Kubernetes 1.36: every patch of these scripts, against the object as it was.
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { isObject, type JsonObject } from '../apply/atom.ts'
import { applyJsonPatch } from './json-patch.ts'
import { applyMergePatch } from './merge-patch.ts'
import { notAnObjectOfItsKind, type Patched } from './outcome.ts'
import { showPatched } from './show-patched.ts'
import { applyStrategicPatch } from './strategic.ts'

interface Step {
  name?: string
  request?: {
    method: string
    path: string
    headers?: Record<string, string>
    query?: Record<string, string>
    body?: unknown
  }
  expect?: { code: number; body?: JsonObject }
}

/** Written by the server after the patch: defaults of new items, and what every write changes. */
const later = new Set([
  'resources',
  'terminationMessagePath',
  'terminationMessagePolicy',
  'imagePullPolicy',
  'protocol',
  'defaultMode',
  'managedFields',
  'resourceVersion',
  'uid',
  'generation',
])

/** What a decoder makes of it: nulls and empty maps and lists are not there. */
function tidy(value: unknown): unknown {
  if (Array.isArray(value)) return value.length === 0 ? undefined : value.map(tidy)
  if (!isObject(value)) return value === null ? undefined : value
  const entries = Object.entries(value)
    .filter(([key]) => !later.has(key))
    .map(([key, item]) => [key, tidy(item)] as const)
    .filter(([, item]) => item !== undefined)
  return entries.length === 0 ? undefined : Object.fromEntries(entries)
}

function patch(live: JsonObject, request: NonNullable<Step['request']>): Patched | undefined {
  const type = request.headers?.['Content-Type'] ?? ''
  if (type.includes('json-patch')) return applyJsonPatch(live, request.body)
  if (type.includes('strategic')) {
    return applyStrategicPatch(live, request.body, `apps.v1.${live.kind}`)
  }
  return type.includes('merge-patch') ? applyMergePatch(live, request.body) : undefined
}

/** Refused for other reasons than the patch itself: what became of it is decoded and stored later. */
const elsewhere = (message: string): boolean =>
  /is invalid|has been modified|unexpected end of JSON|not found|Unsupported Media/.test(message)

for (const script of ['patch-json-merge', 'patch-strategic']) {
  describe(script, () => {
    const url = new URL(`../../../test/golden/cases/${script}.json`, import.meta.url)
    const { steps }: { steps: Step[] } = JSON.parse(readFileSync(url, 'utf8'))
    let live: JsonObject | undefined
    for (const [index, { name, request, expect: expected }] of steps.entries()) {
      const body = expected?.body
      if (request === undefined || body === undefined) continue
      const before = live
      if (body.kind !== 'Status') live = body
      if (before === undefined || request.method !== 'PATCH') continue
      if (typeof body.message === 'string' && elsewhere(body.message)) continue
      if (expected?.body?.dataa || request.query?.fieldValidation || name === 'unknown field')
        continue
      it(`${index}: ${name}`, () => {
        const copy = structuredClone(before)
        const result = patch(before, request)
        expect(before, 'the document is left alone').toEqual(copy)
        if (result?.ok) return expect(tidy(result.object)).toEqual(tidy(body))
        expect(result?.error.status).toEqual(body)
      })
    }
  })
}

describe('what a patched document looks like in messages', () => {
  const url = new URL('../../../test/golden/cases/patch-json-merge.json', import.meta.url)
  const { steps }: { steps: Step[] } = JSON.parse(readFileSync(url, 'utf8'))
  const masked = (text: string) => text.replaceAll(/\{\{(\w+)=\w+\}\}/g, '{{$1}}')
  let live: JsonObject | undefined
  for (const [index, { name, request, expect: expected }] of steps.entries()) {
    const body = expected?.body
    if (request === undefined || body === undefined) continue
    const message = String(body.message ?? '')
    const cause = /": ((?:json|no kind|strict decoding).*)$/s.exec(message)?.[1]
    const before = live
    if (body.kind !== 'Status') live = body
    if (before === undefined || cause === undefined) continue
    it(`${index}: ${name}`, () => {
      const result = patch(before, request)
      if (!result?.ok) throw new Error('the patch did not apply')
      const error = notAnObjectOfItsKind(showPatched(result.object, request.body), cause)
      expect(JSON.parse(masked(JSON.stringify(error.status)))).toEqual(body)
    })
  }
})
