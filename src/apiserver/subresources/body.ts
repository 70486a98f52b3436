// Bodies of subresources and reviews, whose kinds are not those of the resource in the path.
import { badRequestError } from '../../api/machinery/status.ts'
import { decodeBody } from '../../api/schema/body.ts'
import { structOfKind } from '../../api/schema/schema.ts'
import type { Answer } from '../call.ts'
import { headerOf } from '../call.ts'
import { encodeBySchema } from '../encode.ts'
import { bodyEncoding, negotiate, plainRules } from '../negotiate.ts'
import type { ObjectRequest } from '../registry.ts'
import type { WriteOptions } from '../write-options.ts'

/** The body as an object of a kind other than the resource's. */
export async function readKind<T>(
  { exchange }: ObjectRequest,
  type: { readonly apiVersion: string; readonly kind: string },
  options: Pick<WriteOptions, 'fieldValidation'>,
): Promise<T> {
  const { call } = exchange
  const format = bodyEncoding(headerOf(call.headers, 'content-type'), ['json', 'yaml', 'protobuf'])
  const body = await call.body()
  const expected = { ...type, struct: structOfKind(type.apiVersion, type.kind) }
  const decoded = await decodeBody(body, format, {
    expected,
    fieldValidation: options.fieldValidation,
  })
  if (decoded.type.apiVersion !== type.apiVersion) {
    throw badRequestError(
      `the API version in the data (${decoded.type.apiVersion}) does not match the expected API version (${type.apiVersion})`,
    )
  }
  exchange.warnings.push(...decoded.warnings)
  return decoded.value as T
}

/** Any typed object as an answer, as the client wants it encoded. */
export function kindAnswer(
  { exchange }: ObjectRequest,
  code: number,
  value: { readonly apiVersion?: string | undefined; readonly kind?: string | undefined },
): Answer {
  const media = negotiate(headerOf(exchange.call.headers, 'accept'), plainRules)
  return {
    code,
    headers: { 'content-type': media.contentType },
    body: [encodeBySchema(value, media)],
  }
}

/** What POSTs to binding and eviction answer. */
export const created = {
  kind: 'Status',
  apiVersion: 'v1',
  metadata: {},
  status: 'Success',
  code: 201,
} as const
