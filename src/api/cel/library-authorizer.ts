// `authorizer` of admission policies: checks built up step by step, decided by who runs them.
import { always } from './costs.ts'
import type { Overload } from './overload.ts'
import { overload } from './overload.ts'
import { Opaque } from './values.ts'

export interface AuthorizerCheck {
  readonly user?: { readonly name: string; readonly groups: readonly string[] }
  readonly verb: string
  readonly path?: string
  readonly group?: string
  readonly resource?: string
  readonly subresource?: string
  readonly namespace?: string
  readonly name?: string
  readonly fieldSelector?: string
  readonly labelSelector?: string
}

export interface Verdict {
  readonly allowed: boolean
  readonly reason: string
  readonly error: string
}

export type Decide = (check: AuthorizerCheck) => Verdict

interface Builder {
  readonly decide: Decide
  readonly check: Omit<AuthorizerCheck, 'verb'>
}

const same = (one: unknown, other: unknown): boolean => one === other

type Step = Opaque<Builder>

const step = (type: string, decide: Decide, check: Builder['check']): Step =>
  new Opaque(`kubernetes.authorization.${type}`, { decide, check }, same)

/** The value of the variable `authorizer`. */
export const authorizerValue = (decide: Decide): Step => step('Authorizer', decide, {})

/** The value of `authorizer.requestResource`: a check of what the request itself is about. */
export const resourceCheckValue = (decide: Decide, check: Builder['check']): Step =>
  step('ResourceCheck', decide, check)

const verdictValue = (verdict: Verdict): Opaque<Verdict> =>
  new Opaque('kubernetes.authorization.Decision', verdict, same)

const authorizer = 'kubernetes.authorization.Authorizer'
const resourceCheck = 'kubernetes.authorization.ResourceCheck'
const groupCheck = 'kubernetes.authorization.GroupCheck'
const pathCheck = 'kubernetes.authorization.PathCheck'
const decision = 'kubernetes.authorization.Decision'

/** An authorizer may be asked twice an expression, not more. */
const checkCost = { cost: always(350_000) }

const refine = (field: keyof AuthorizerCheck): Overload =>
  overload(
    `${field}: ${resourceCheck}.(string) -> ${resourceCheck}`,
    ({ data }: Step, text: string) =>
      step('ResourceCheck', data.decide, { ...data.check, [field]: text }),
  )

export const authorizerFunctions: readonly Overload[] = [
  overload(`path: ${authorizer}.(string) -> ${pathCheck}`, ({ data }: Step, path: string) =>
    step('PathCheck', data.decide, { ...data.check, path }),
  ),
  overload(`group: ${authorizer}.(string) -> ${groupCheck}`, ({ data }: Step, group: string) =>
    step('GroupCheck', data.decide, { ...data.check, group }),
  ),
  overload(
    `serviceAccount: ${authorizer}.(string, string) -> ${authorizer}`,
    ({ data }: Step, namespace: string, name: string) => {
      const groups = [
        'system:serviceaccounts',
        `system:serviceaccounts:${namespace}`,
        'system:authenticated',
      ]
      const user = { name: `system:serviceaccount:${namespace}:${name}`, groups }
      return step('Authorizer', data.decide, { ...data.check, user })
    },
  ),
  overload(
    `resource: ${groupCheck}.(string) -> ${resourceCheck}`,
    ({ data }: Step, resource: string) =>
      step('ResourceCheck', data.decide, { ...data.check, resource }),
  ),
  refine('subresource'),
  refine('namespace'),
  refine('name'),
  refine('fieldSelector'),
  refine('labelSelector'),
  ...[pathCheck, resourceCheck].map((type) =>
    overload(
      `check: ${type}.(string) -> ${decision}`,
      ({ data }: Step, verb: string) => verdictValue(data.decide({ ...data.check, verb })),
      checkCost,
    ),
  ),
  overload(`allowed: ${decision}.() -> bool`, ({ data }: Opaque<Verdict>) => data.allowed),
  overload(`reason: ${decision}.() -> string`, ({ data }: Opaque<Verdict>) => data.reason),
  overload(`errored: ${decision}.() -> bool`, ({ data }: Opaque<Verdict>) => data.error !== ''),
  overload(`error: ${decision}.() -> string`, ({ data }: Opaque<Verdict>) => data.error),
]
