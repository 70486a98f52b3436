// Who asks and what for: the words in which authorizers and admission speak of a request.

export interface User {
  readonly name: string
  readonly uid: string
  readonly groups: readonly string[]
  readonly extra: Readonly<Record<string, readonly string[]>>
}

export interface ResourceAttributes {
  readonly user: User
  /** "get", "list", "create", …; "update" for a PUT. */
  readonly verb: string
  /** "" is the core group. */
  readonly group: string
  readonly version: string
  /** The plural: "pods". */
  readonly resource: string
  /** "status", "log", …; "" for the object itself. */
  readonly subresource: string
  /** "" for cluster-scoped objects and for lists across namespaces. */
  readonly namespace: string
  /** "" for lists and creates, unless a field selector (metadata.name=x) names one object. */
  readonly name: string
  /** Terms of the field selector of a list, watch or deletecollection. */
  readonly fields?: readonly FieldTerm[] | undefined
}

export interface FieldTerm {
  readonly field: string
  readonly operator: '=' | '!='
  readonly value: string
}

export interface PathAttributes {
  readonly user: User
  /** The HTTP method in lower case. */
  readonly verb: string
  /** Not under /api or /apis/GROUP/VERSION: "/healthz". */
  readonly path: string
}

export type Attributes = ResourceAttributes | PathAttributes

export const isPath = (attributes: Attributes): attributes is PathAttributes => 'path' in attributes

export interface Decision {
  readonly verdict: 'allow' | 'deny' | 'no-opinion'
  /** For people: audit annotations, SubjectAccessReview, the end of a 403. */
  readonly reason: string
  /** Roles that could not be resolved; "" is none. */
  readonly error: string
}

/** Decides from what it holds; never waits. */
export type Authorizer = (attributes: Attributes) => Decision

export const allow = (reason: string): Decision => ({ verdict: 'allow', reason, error: '' })
export const deny = (reason: string): Decision => ({ verdict: 'deny', reason, error: '' })
export const noOpinion = (reason = '', error = ''): Decision => ({
  verdict: 'no-opinion',
  reason,
  error,
})
