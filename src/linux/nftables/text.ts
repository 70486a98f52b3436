// The text `nft list` prints for an object: for tests, for reading and for `explain`.
import { formatMark } from './datatypes.ts'
import {
  type BaseChain,
  type Chain,
  concatSeparator,
  type Elements,
  type Family,
  type MatchStatement,
  type Operation,
  type Rule,
  type SetDeclaration,
  type Statement,
  type Table,
} from './objects.ts'

export function formatTable(table: Table): string {
  const blocks = [
    ...[...table.sets.values()].map((set) => formatSet(set, table.elements.get(set.name))),
    ...[...table.chains.values()].map((chain) => formatChain(chain, table.family)),
  ]
  return `table ${table.family} ${table.name} {\n${blocks.join('\n\n')}\n}\n`
}

export function formatSet(set: SetDeclaration, elements?: Elements): string {
  const value = set.value === undefined ? '' : ` : ${formatType(set.value)}`
  const flags = [
    ...(set.interval ? ['interval'] : []),
    ...(set.dynamic ? ['dynamic'] : []),
    ...(set.timeoutSeconds === undefined ? [] : ['timeout']),
  ]
  const lines = [
    `type ${formatType(set.key)}${value}`,
    ...(set.size === undefined ? [] : [`size ${set.size}`]),
    ...(flags.length === 0 ? [] : [`flags ${flags.join(',')}`]),
    ...(set.timeoutSeconds === undefined ? [] : [`timeout ${formatSeconds(set.timeoutSeconds)}`]),
    ...(set.counter ? ['counter'] : []),
    ...(elements && elements.size > 0 ? [formatElements(elements)] : []),
  ]
  const keyword = set.value === undefined ? 'set' : 'map'
  return `\t${keyword} ${set.name} {\n${lines.map((line) => `\t\t${line}\n`).join('')}\t}`
}

function formatType(type: 'verdict' | readonly string[]): string {
  return type === 'verdict' ? type : type.join(concatSeparator)
}

function formatElements(elements: Elements): string {
  const items = [...elements].map(([key, value]) => formatElement(key, value))
  return `elements = { ${items.join(',\n\t\t\t     ')} }`
}

export function formatElement(key: string, value: string): string {
  return value === '' ? key : `${key} : ${value}`
}

export function formatChain(chain: Chain, family: Family): string {
  const lines = [
    ...(chain.base ? [formatBase(chain.base)] : []),
    ...chain.rules.map((rule) => formatRule(rule, family)),
  ]
  return `\tchain ${chain.name} {\n${lines.map((line) => `\t\t${line}\n`).join('')}\t}`
}

function formatBase({ type, hook, priority }: BaseChain): string {
  return `type ${type} hook ${hook} priority ${formatPriority(hook, priority)}; policy accept;`
}

/** Names for the usual places in a hook; `nft` uses one for anything up to 10 away from it. */
function formatPriority(hook: BaseChain['hook'], priority: number): string {
  const places: Record<string, number> = { raw: -300, mangle: -150, filter: 0, security: 50 }
  if (hook === 'prerouting') places.dstnat = -100
  if (hook === 'postrouting') places.srcnat = 100
  for (const [name, place] of Object.entries(places)) {
    const offset = priority - place
    if (offset === 0) return name
    if (Math.abs(offset) <= 10) return `${name} ${offset < 0 ? '-' : '+'} ${Math.abs(offset)}`
  }
  return String(priority)
}

export function formatRule(rule: Rule, family: Family): string {
  // `nft` leaves out the match that a TCP reset cannot be without.
  const written = rule.filter(
    (statement, index) =>
      !(statement.type === 'match' && statement.value === 'tcp' && isReset(rule[index + 1])),
  )
  return written.map((statement) => formatStatement(statement, family)).join(' ')
}

function isReset(statement: Statement | undefined): boolean {
  return statement?.type === 'reject' && statement.with === 'tcp reset'
}

function formatStatement(statement: Statement, family: Family): string {
  switch (statement.type) {
    case 'match':
      return formatMatch(statement)
    case 'lookup': {
      const not = statement.op === '!=' ? '!= ' : ''
      return `${statement.key.join(concatSeparator)} ${not}@${statement.set}`
    }
    case 'vmap':
      return `${statement.key.join(concatSeparator)} vmap @${statement.map}`
    case 'dnat':
      return `dnat ${family} to ${statement.key.join(concatSeparator)} map @${statement.map}`
    case 'setMark':
      return `meta mark set meta mark ${statement.op} ${formatMark(statement.bits)}`
    case 'masquerade':
      return 'masquerade fully-random'
    case 'reject':
      return statement.with ? `reject with ${statement.with}` : 'reject'
    case 'update': {
      const { key, value, timeoutSeconds } = statement
      const element = `${key.join(concatSeparator)} timeout ${formatSeconds(timeoutSeconds)}`
      return `update @${statement.set} { ${element} : ${value.join(concatSeparator)} }`
    }
    case 'verdict':
      return statement.verdict
    case 'unknown':
      return '# not understood'
  }
}

function formatMatch({ field, op, value, mask }: MatchStatement): string {
  if (mask !== undefined) return `${field} & ${mask} ${op} ${value}`
  const text = field === 'iifname' || field === 'oifname' ? `"${value}"` : value
  return op === '==' ? `${field} ${text}` : `${field} != ${text}`
}

/** "3h", "1m30s": the way `nft` writes durations. */
export function formatSeconds(seconds: number): string {
  const units: [string, number][] = [
    ['d', 86400],
    ['h', 3600],
    ['m', 60],
    ['s', 1],
  ]
  let rest = seconds
  let text = ''
  for (const [unit, size] of units) {
    const count = Math.floor(rest / size)
    rest -= count * size
    if (count > 0) text += `${count}${unit}`
  }
  return text || '0s'
}

/** One step of a transaction, for error messages and for logs. */
export function formatOperation(
  operation: Operation,
  table: Pick<Table, 'family' | 'name'>,
): string {
  const where = `${table.family} ${table.name}`
  switch (operation.type) {
    case 'addTable':
      return `add table ${where}`
    case 'deleteTable':
      return `delete table ${where}`
    case 'addSet':
      return `add ${operation.set.value === undefined ? 'set' : 'map'} ${where} ${operation.set.name}`
    case 'deleteSet':
      return `delete set ${where} ${operation.name}`
    case 'addChain':
      return `add chain ${where} ${operation.chain.name}`
    case 'deleteChain':
      return `delete chain ${where} ${operation.name}`
    case 'flushChain':
      return `flush chain ${where} ${operation.name}`
    case 'addRule':
      return `add rule ${where} ${operation.chain} ${formatRule(operation.rule, table.family)}`
    case 'addElement': {
      const element = formatElement(operation.key, operation.value)
      return `add element ${where} ${operation.set.name} { ${element} }`
    }
    case 'deleteElement':
      return `delete element ${where} ${operation.set.name} { ${operation.key} }`
  }
}
