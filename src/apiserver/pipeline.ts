// The stages of a request, in order, and what surrounds them: every request gets an audit id, every
// error becomes a Status, every answer the common headers.
//
//   identify -> authenticate -> impersonate -> throttle -> authorize -> handle -> answer
import type { StatusError as StatusErrorType } from '../api/machinery/status.ts'
import { internalServerError, StatusError } from '../api/machinery/status.ts'
import type { Logger } from '../lib/log.ts'
import type { Random } from '../lib/random.ts'
import { uuid } from '../lib/random.ts'
import type { Answer, AnswerHeaders, ApiCall } from './call.ts'
import { headerOf } from './call.ts'
import { encodeTyped } from './encode.ts'
import type { Media } from './negotiate.ts'
import { negotiate, plainJson, plainRules } from './negotiate.ts'
import type { User } from './rbac/attributes.ts'
import type { RequestInfo } from './request.ts'
import { nameRequest } from './request.ts'
import { warningHeaders } from './warnings.ts'

/** One request on its way through the stages. */
export interface Exchange {
  readonly call: ApiCall
  readonly info: RequestInfo
  readonly auditId: string
  /** Set by authentication, replaced by impersonation. */
  user: User
  /** Sent as Warning headers. */
  readonly warnings: string[]
  /** Called when the answer is complete, with its code. */
  readonly onDone: ((code: number) => void)[]
}

/** Answers, or lets the next stage have the request. Refuses by throwing a StatusError. */
export type Stage = (exchange: Exchange) => Answer | undefined | Promise<Answer | undefined>

export interface PipelineDeps {
  readonly stages: readonly Stage[]
  readonly random: Random
  readonly log: Logger
  /** Headers of every answer that depend on what is stored. */
  commonHeaders(): AnswerHeaders
}

const nobody: User = { name: '', uid: '', groups: [], extra: {} }

export type Pipeline = (call: ApiCall) => Promise<Answer>

export function createPipeline(deps: PipelineDeps): Pipeline {
  return async (call) => {
    const exchange: Exchange = {
      call,
      info: nameRequest(call),
      auditId: headerOf(call.headers, 'audit-id') ?? uuid(deps.random),
      user: nobody,
      warnings: [],
      onDone: [],
    }
    let answer: Answer
    try {
      answer = await runStages(deps.stages, exchange)
    } catch (error) {
      answer = errorAnswer(error, exchange, deps.log)
    }
    for (const done of exchange.onDone) done(answer.code)
    if (answer.taken) return answer
    return { ...answer, headers: completeHeaders(answer, exchange, deps) }
  }
}

async function runStages(stages: readonly Stage[], exchange: Exchange): Promise<Answer> {
  for (const stage of stages) {
    const pending = stage(exchange)
    const answer = pending instanceof Promise ? await pending : pending
    if (answer) return answer
  }
  throw new Error('cannot answer request: no stage did')
}

function completeHeaders(answer: Answer, exchange: Exchange, deps: PipelineDeps): AnswerHeaders {
  const headers: AnswerHeaders = {
    'audit-id': exchange.auditId,
    'cache-control': 'no-cache, private',
    ...deps.commonHeaders(),
    ...answer.headers,
  }
  const warnings = warningHeaders(exchange.warnings)
  if (warnings.length > 0) headers.warning = warnings
  return headers
}

function errorAnswer(error: unknown, exchange: Exchange, log: Logger): Answer {
  if (error instanceof StatusError) return statusAnswer(error, exchange)
  const { method, path } = exchange.call
  log.error('request failed', { method, path, auditId: exchange.auditId, error })
  const text = error instanceof Error ? error.message : String(error)
  return statusAnswer(internalServerError(text), exchange)
}

export function statusAnswer(error: StatusErrorType, { call }: Pick<Exchange, 'call'>): Answer {
  const media = mediaForErrors(call)
  const headers: AnswerHeaders = { 'content-type': media.contentType }
  const retryAfter = error.status.details?.retryAfterSeconds
  if (retryAfter !== undefined && retryAfter > 0) headers['retry-after'] = String(retryAfter)
  const body = call.method === 'HEAD' ? undefined : [encodeTyped(error.status, media)]
  return { code: error.code, headers, body }
}

/** An error is said in the client's encoding if that can be had, else in JSON. */
function mediaForErrors(call: ApiCall): Media {
  try {
    const media = negotiate(headerOf(call.headers, 'accept'), plainRules)
    return { ...media, as: 'none' }
  } catch {
    return plainJson
  }
}
