import { expect, test } from 'vitest'
import { builtinRules, customRules, negotiate, watchRules } from './negotiate.ts'

const meta = 'v=v1;g=meta.k8s.io'

function check(accept: string | undefined, expected: string, rules = builtinRules): void {
  let shown: string
  try {
    const media = negotiate(accept, rules)
    shown = `${media.encoding} ${media.as}`
  } catch (error) {
    shown = (error as { reason: string }).reason
  }
  expect(shown).toBe(expected)
}

test.each([
  [undefined, 'json none'],
  ['*/*', 'json none'],
  ['application/json, */*', 'json none'],
  ['application/json, */*;q=0.8', 'json none'],
  ['application/json;q=0.5,application/yaml;q=0.9', 'yaml none'],
  ['application/vnd.kubernetes.protobuf,application/json', 'protobuf none'],
  [
    `application/json;as=Table;${meta},application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json`,
    'json table',
  ],
  [`application/json;as=Table;v=v2;g=meta.k8s.io,application/json`, 'json none'],
  [`application/json;as=Table;v=v2;g=meta.k8s.io`, 'NotAcceptable'],
  [
    `application/vnd.kubernetes.protobuf;as=PartialObjectMetadataList;${meta}`,
    'protobuf metadataList',
  ],
  ['text/html', 'NotAcceptable'],
  ['text/html,application/json', 'json none'],
  ['application/*', 'NotAcceptable'],
  ['application/cbor,application/json', 'json none'],
])('negotiate() of %s', (accept, expected) => check(accept, expected))

test('negotiate() has no protobuf for custom resources', () => {
  check('application/vnd.kubernetes.protobuf', 'NotAcceptable', customRules)
  check('application/vnd.kubernetes.protobuf,application/json', 'json none', customRules)
})

test('negotiate() has no YAML for watches', () => {
  check('application/yaml', 'NotAcceptable', watchRules)
})
