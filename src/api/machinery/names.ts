// Names and identifiers: each check answers with the list of what is wrong, in upstream's words
// (k8s.io/apimachinery pkg/util/validation and pkg/api/validate/content). Empty means valid.
import { byteLength } from './go-text.ts'

export type Problems = readonly string[]

const none: Problems = []

/** Two packages of upstream count the same bytes and call them differently. */
type Unit = 'characters' | 'bytes'

const maxLength = (length: number, unit: Unit) => `must be no more than ${length} ${unit}`

export function regexProblem(message: string, regex: string, ...examples: string[]): string {
  if (examples.length === 0) return `${message} (regex used for validation is '${regex}')`
  const list = examples.map((example) => `'${example}', `).join(' or ')
  return `${message} (e.g. ${list}regex used for validation is '${regex}')`
}

const labelFormat = '[a-z0-9]([-a-z0-9]*[a-z0-9])?'
const subdomainFormat = `${labelFormat}(\\.${labelFormat})*`
const label1035Format = '[a-z]([-a-z0-9]*[a-z0-9])?'
const wildcardFormat = `\\*\\.${subdomainFormat}`
const keyFormat = '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]'
const labelValueFormat = `(${keyFormat})?`

const exactly = (format: string) => new RegExp(`^(?:${format})$`)
const labelRegex = exactly(labelFormat)
const subdomainRegex = exactly(subdomainFormat)
const label1035Regex = exactly(label1035Format)
const wildcardRegex = exactly(wildcardFormat)
const keyRegex = exactly(keyFormat)
const labelValueRegex = exactly(labelValueFormat)

export function dns1123LabelProblems(value: string, unit: Unit = 'characters'): Problems {
  const problems: string[] = []
  if (byteLength(value) > 63) problems.push(maxLength(63, unit))
  if (labelRegex.test(value)) return problems
  problems.push(
    subdomainRegex.test(value)
      ? 'must not contain dots'
      : regexProblem(
          "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character",
          labelFormat,
          'my-name',
          '123-abc',
        ),
  )
  return problems
}

export function dns1123SubdomainProblems(value: string, unit: Unit = 'characters'): Problems {
  if (value.length <= 253 && subdomainRegex.test(value)) return none
  const problems: string[] = []
  if (byteLength(value) > 253) problems.push(maxLength(253, unit))
  if (!subdomainRegex.test(value)) {
    problems.push(
      regexProblem(
        "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character",
        subdomainFormat,
        'example.com',
      ),
    )
  }
  return problems
}

export function dns1035LabelProblems(value: string): Problems {
  const problems: string[] = []
  if (byteLength(value) > 63) problems.push(maxLength(63, 'characters'))
  if (!label1035Regex.test(value)) {
    problems.push(
      regexProblem(
        "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character",
        label1035Format,
        'my-name',
        'abc-123',
      ),
    )
  }
  return problems
}

export function wildcardDns1123SubdomainProblems(value: string): Problems {
  const problems: string[] = []
  if (byteLength(value) > 253) problems.push(maxLength(253, 'characters'))
  if (!wildcardRegex.test(value)) {
    problems.push(
      regexProblem(
        "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character",
        wildcardFormat,
        '*.example.com',
      ),
    )
  }
  return problems
}

const keyProblem = regexProblem(
  "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character",
  keyFormat,
  'MyName',
  'my.name',
  '123-abc',
)

/** A label key; also called a qualified name: `[prefix/]name`. */
export function qualifiedNameProblems(value: string): Problems {
  const parts = value.split('/')
  if (parts.length > 2) {
    return [
      `a valid label key ${keyProblem} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')`,
    ]
  }
  const name = parts[parts.length - 1]!
  const problems: string[] = []
  if (parts.length === 2) {
    const prefix = parts[0]!
    if (prefix === '') problems.push('prefix part must be non-empty')
    else {
      for (const problem of dns1123SubdomainProblems(prefix, 'bytes')) {
        problems.push(`prefix part ${problem}`)
      }
    }
  }
  if (name === '') problems.push('name part must be non-empty')
  else if (byteLength(name) > 63) problems.push(`name part ${maxLength(63, 'bytes')}`)
  if (!keyRegex.test(name)) problems.push(`name part ${keyProblem}`)
  return problems
}

export function labelValueProblems(value: string): Problems {
  const problems: string[] = []
  if (byteLength(value) > 63) problems.push(maxLength(63, 'bytes'))
  if (!labelValueRegex.test(value)) {
    problems.push(
      regexProblem(
        "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character",
        labelValueFormat,
        'MyValue',
        'my_value',
        '12345',
      ),
    )
  }
  return problems
}

/** What may be one segment of a URL path; RBAC names are checked so. */
export function pathSegmentProblems(name: string): Problems {
  if (name === '.' || name === '..') return [`may not be '${name}'`]
  return pathSegmentPrefixProblems(name)
}

export function pathSegmentPrefixProblems(name: string): Problems {
  return ['/', '%'].filter((part) => name.includes(part)).map((part) => `may not contain '${part}'`)
}

/** The name of a port in a Pod or a targetPort: an IANA service name. */
export function portNameProblems(name: string): Problems {
  const problems: string[] = []
  if (byteLength(name) > 15) problems.push(maxLength(15, 'characters'))
  if (!/^[-a-z0-9]+$/.test(name)) {
    problems.push('must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)')
  }
  if (!/[a-z]/.test(name)) problems.push('must contain at least one letter (a-z)')
  if (name.includes('--')) problems.push('must not contain consecutive hyphens')
  if (name.startsWith('-') || name.endsWith('-')) {
    problems.push('must not begin or end with a hyphen')
  }
  return problems
}

export const inclusiveRangeProblem = (low: number, high: number): string =>
  `must be between ${low} and ${high}, inclusive`

const maxUserId = 2 ** 31 - 1

/** For user and group IDs alike. */
export function userIdProblems(id: number): Problems {
  return id >= 0 && id <= maxUserId ? none : [inclusiveRangeProblem(0, maxUserId)]
}

export function percentProblems(text: string): Problems {
  if (/^[0-9]+%$/.test(text)) return none
  return [
    regexProblem(
      "a valid percent string must be a numeric string followed by an ending '%'",
      '[0-9]+%',
      '1%',
      '93%',
    ),
  ]
}

export function httpHeaderNameProblems(name: string): Problems {
  if (/^[-A-Za-z0-9]+$/.test(name)) return none
  return [
    regexProblem(
      "a valid HTTP header must consist of alphanumeric characters or '-'",
      '[-A-Za-z0-9]+',
      'X-Header-Name',
    ),
  ]
}

export function cIdentifierProblems(name: string): Problems {
  if (/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) return none
  return [
    regexProblem(
      "a valid C identifier must start with alphabetic character or '_', followed by a string of alphanumeric characters or '_'",
      '[A-Za-z_][A-Za-z0-9_]*',
      'my_name',
      'MY_NAME',
      'MyName',
    ),
  ]
}

/** Since 1.34: any printable ASCII but '='. */
export function envVarNameProblems(name: string): Problems {
  const problems: string[] = []
  if (name === '') problems.push('environment variable name must be non-empty')
  if (!/^[\x20-\x3c\x3e-\x7e]*$/.test(name)) {
    problems.push(
      "a valid environment variable name must consist only of printable ASCII characters other than '='",
    )
  }
  return problems
}

/** A key of a ConfigMap or Secret, which may become a file name. */
export function configMapKeyProblems(key: string): Problems {
  const problems: string[] = []
  if (byteLength(key) > 253) problems.push(maxLength(253, 'characters'))
  if (!/^[-._a-zA-Z0-9]+$/.test(key)) {
    problems.push(
      regexProblem(
        "a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
        '[-._a-zA-Z0-9]+',
        'key.name',
        'KEY_NAME',
        'key-name',
      ),
    )
  }
  if (key === '.') problems.push("must not be '.'")
  else if (key === '..') problems.push("must not be '..'")
  else if (key.startsWith('..')) problems.push("must not start with '..'")
  return problems
}

/** generateName may end in a dash, because a suffix follows it. */
const maskTrailingDash = (name: string, prefix: boolean) =>
  prefix && name.length > 1 && name.endsWith('-') ? `${name.slice(0, -2)}a` : name

/** The name rules kinds choose from (Kind.validateName). `prefix` is true for generateName. */
export type NameRule = (name: string, prefix: boolean) => Problems

export const nameIsDnsSubdomain: NameRule = (name, prefix) =>
  dns1123SubdomainProblems(maskTrailingDash(name, prefix))
export const nameIsDnsLabel: NameRule = (name, prefix) =>
  dns1123LabelProblems(maskTrailingDash(name, prefix))
export const nameIsDns1035Label: NameRule = (name, prefix) =>
  dns1035LabelProblems(maskTrailingDash(name, prefix))
export const nameIsPathSegment: NameRule = (name, prefix) =>
  prefix ? pathSegmentPrefixProblems(name) : pathSegmentProblems(name)
