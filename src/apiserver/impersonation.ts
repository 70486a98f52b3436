// Acting as somebody else: Impersonate-User, -Group, -Uid and -Extra-KEY headers, each of which the
// real user needs a permission for; and the constrained form of it (KEP-5284), which allows only
// the requests that are granted on top.
import { badRequestError } from '../api/machinery/status.ts'
import { authenticatedGroup, decodeKey, listOf } from './authentication.ts'
import { attributesOf, requireAllowed } from './authorization.ts'
import type { Headers } from './call.ts'
import { headerOf } from './call.ts'
import type { Exchange, Stage } from './pipeline.ts'
import type { Attributes, Authorizer, User } from './rbac/attributes.ts'

const extraPrefix = 'impersonate-extra-'
const serviceAccountPrefix = 'system:serviceaccount:'

interface Wanted {
  readonly name: string
  readonly uid: string
  readonly groups: readonly string[]
  readonly extra: Readonly<Record<string, readonly string[]>>
}

export function impersonationStage(authorize: Authorizer): Stage {
  return (exchange) => {
    const wanted = wantedUser(exchange.call.headers)
    if (!wanted) return undefined
    const legacy = checksFor(wanted, 'impersonate').map(
      (check) => ({ ...check, user: exchange.user }) as Attributes,
    )
    const allowed = legacy.every((check) => authorize(check).verdict === 'allow')
    if (!allowed) requireConstrained(authorize, exchange, wanted)
    exchange.user = becomeUser(wanted)
    return undefined
  }
}

function wantedUser(headers: Headers): Wanted | undefined {
  const name = headerOf(headers, 'impersonate-user') ?? ''
  const uid = headerOf(headers, 'impersonate-uid') ?? ''
  const groups = listOf(headers['impersonate-group'])
  const extra: Record<string, readonly string[]> = {}
  for (const header of Object.keys(headers)) {
    if (!header.startsWith(extraPrefix)) continue
    extra[decodeKey(header.slice(extraPrefix.length))] = listOf(headers[header])
  }
  const nothing =
    name === '' && uid === '' && groups.length === 0 && Object.keys(extra).length === 0
  if (nothing) return undefined
  const wanted = { name, uid, groups, extra }
  if (name === '') throw badRequestError(withoutName(wanted))
  return wanted
}

/** Go's %#v of the user that was asked for. */
function withoutName({ uid, groups, extra }: Wanted): string {
  const list = (items: readonly string[]) => items.map((item) => JSON.stringify(item)).join(', ')
  const groupText = groups.length === 0 ? '[]string(nil)' : `[]string{${list(groups)}}`
  const entries = Object.entries(extra).map(
    ([key, values]) => `${JSON.stringify(key)}:[]string{${list(values)}}`,
  )
  const extraText =
    entries.length === 0 ? 'map[string][]string(nil)' : `map[string][]string{${entries.join(', ')}}`
  const user = `&user.DefaultInfo{Name:"", UID:${JSON.stringify(uid)}, Groups:${groupText}, Extra:${extraText}}`
  return `requested ${user} without impersonating a user name`
}

type Check = Omit<Extract<Attributes, { resource: string }>, 'user'>

/** One permission a fact that is claimed. */
function checksFor(wanted: Wanted, verb: string): Check[] {
  const core = { verb, version: 'v1', subresource: '', namespace: '' }
  const authentication = { ...core, group: 'authentication.k8s.io' }
  const account = serviceAccountOf(wanted.name)
  const subject: Check = account
    ? { ...core, group: '', resource: 'serviceaccounts', ...account }
    : { ...core, group: '', resource: 'users', name: wanted.name }
  const checks: Check[] = [subject]
  for (const name of wanted.groups) checks.push({ ...core, group: '', resource: 'groups', name })
  if (wanted.uid !== '') checks.push({ ...authentication, resource: 'uids', name: wanted.uid })
  for (const [key, values] of Object.entries(wanted.extra)) {
    for (const name of values) {
      checks.push({ ...authentication, resource: 'userextras', subresource: key, name })
    }
  }
  return checks
}

function serviceAccountOf(name: string): { namespace: string; name: string } | undefined {
  if (!name.startsWith(serviceAccountPrefix)) return undefined
  const [namespace, account, ...rest] = name.slice(serviceAccountPrefix.length).split(':')
  return namespace && account && rest.length === 0 ? { namespace, name: account } : undefined
}

function modeOf(name: string): string {
  if (serviceAccountOf(name)) return 'serviceaccount'
  return name.startsWith('system:node:') ? 'arbitrary-node' : 'user-info'
}

/** Both "impersonate:MODE" on the subject and "impersonate-on:MODE:VERB" on the request's object. */
function requireConstrained(authorize: Authorizer, exchange: Exchange, wanted: Wanted): void {
  const mode = modeOf(wanted.name)
  const target = attributesOf(exchange.info, exchange.user)
  const on = { ...target, verb: `impersonate-on:${mode}:${target.verb}` }
  const needed = [on, ...constrainedChecks(wanted, mode, exchange.user)]
  for (const attributes of needed) requireAllowed(authorize, attributes)
}

function constrainedChecks(wanted: Wanted, mode: string, user: User): Attributes[] {
  return checksFor(wanted, `impersonate:${mode}`).map((check) => {
    const isNode = mode === 'arbitrary-node' && check.resource === 'users'
    const own = isNode
      ? { resource: 'nodes', name: check.name.slice('system:node:'.length) }
      : undefined
    return { ...check, group: 'authentication.k8s.io', ...own, user }
  })
}

function becomeUser(wanted: Wanted): User {
  const account = serviceAccountOf(wanted.name)
  const own =
    account && wanted.groups.length === 0
      ? ['system:serviceaccounts', `system:serviceaccounts:${account.namespace}`]
      : wanted.groups
  const anonymous = wanted.name === 'system:anonymous'
  const implied = anonymous ? 'system:unauthenticated' : authenticatedGroup
  const groups = own.includes(implied) ? own : [...own, implied]
  return { name: wanted.name, uid: wanted.uid, groups, extra: wanted.extra }
}
