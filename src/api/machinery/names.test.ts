import { expect, test } from 'vitest'
import type { Problems } from './names.ts'
import {
  configMapKeyProblems,
  dns1035LabelProblems,
  dns1123LabelProblems,
  dns1123SubdomainProblems,
  envVarNameProblems,
  labelValueProblems,
  nameIsDnsSubdomain,
  nameIsPathSegment,
  percentProblems,
  portNameProblems,
  qualifiedNameProblems,
} from './names.ts'

type Check = (value: string) => Problems

function refused(check: Check, value: string, ...problems: readonly string[]): void {
  expect(check(value)).toEqual(problems)
}

const subdomain =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
const label =
  "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
const namePart =
  "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"

test.each(['a', '0', 'a-b.c-d', 'x'.repeat(253)])('%s is a subdomain', (name) =>
  refused(dns1123SubdomainProblems, name),
)

// Recorded from kube-apiserver 1.36.
test('names are refused in the words of Kubernetes', () => {
  for (const name of ['Bad_Name', 'a.', 'a/b', 'a%b', '']) {
    refused(dns1123SubdomainProblems, name, subdomain)
  }
  refused(dns1123SubdomainProblems, 'a'.repeat(254), 'must be no more than 253 characters')
  refused(dns1123LabelProblems, 'Bad.Name', label)
  refused(dns1123LabelProblems, 'a.b', 'must not contain dots')
  refused(dns1123LabelProblems, 'a'.repeat(64), 'must be no more than 63 characters')
  refused(qualifiedNameProblems, 'a b', namePart)
  refused(qualifiedNameProblems, '', 'name part must be non-empty', namePart)
  refused(labelValueProblems, 'x'.repeat(64), 'must be no more than 63 bytes')
  refused(portNameProblems, 'abcdefghijklmnop', 'must be no more than 15 characters')
})

test('qualifiedNameProblems() looks at the prefix as at a subdomain', () => {
  refused(qualifiedNameProblems, 'example.com/My.Name')
  refused(qualifiedNameProblems, '/x', 'prefix part must be non-empty')
  refused(qualifiedNameProblems, 'A/x', `prefix part ${subdomain}`)
  expect(qualifiedNameProblems('a/b/c')[0]).toMatch(/^a valid label key must consist of/)
})

test('lengths count bytes, not characters', () => {
  expect(labelValueProblems('é'.repeat(32))[0]).toBe('must be no more than 63 bytes')
})

test('labels of RFC 1035 start with a letter', () => {
  refused(dns1035LabelProblems, 'a-1')
  expect(dns1035LabelProblems('1-a')).toHaveLength(1)
})

test('port names need a letter and no lonely hyphens', () => {
  refused(portNameProblems, 'http-2')
  refused(portNameProblems, '80', 'must contain at least one letter (a-z)')
  refused(portNameProblems, 'a--b', 'must not contain consecutive hyphens')
  refused(portNameProblems, '-a', 'must not begin or end with a hyphen')
})

test('keys, variables and percentages', () => {
  refused(configMapKeyProblems, 'tls.crt')
  refused(configMapKeyProblems, '..', "must not be '..'")
  refused(configMapKeyProblems, '..a', "must not start with '..'")
  refused(envVarNameProblems, 'A.b-c d')
  expect(envVarNameProblems('A=b')).toHaveLength(1)
  refused(percentProblems, '25%')
  expect(percentProblems('25')).toHaveLength(1)
})

test('a generateName may end in a dash, a name may not', () => {
  expect(nameIsDnsSubdomain('web-', true)).toEqual([])
  expect(nameIsDnsSubdomain('web-', false)).toEqual([subdomain])
  expect(nameIsPathSegment('..', true)).toEqual([])
  expect(nameIsPathSegment('..', false)).toEqual(["may not be '..'"])
  expect(nameIsPathSegment('system:a/b', false)).toEqual(["may not contain '/'"])
})
