import { expect, test } from 'vitest'
import { parseTarget, QuestionError, serviceOfName } from './question.ts'

test.each([
  ['web', { kind: 'any', name: 'web' }],
  ['web:80', { kind: 'any', name: 'web', port: 80 }],
  ['web:http', { kind: 'any', name: 'web', port: 'http' }],
  ['svc/web', { kind: 'service', name: 'web' }],
  ['service/web:80', { kind: 'service', name: 'web', port: 80 }],
  ['pod/client', { kind: 'pod', name: 'client' }],
  ['web.shop', { kind: 'name', name: 'web.shop' }],
  ['http://web.shop:8080/path?q=1', { kind: 'name', name: 'web.shop', port: 8080 }],
  ['https://web', { kind: 'any', name: 'web', port: 443 }],
  ['postgres://me:secret@db.shop/data', { kind: 'name', name: 'db.shop' }],
])('parseTarget(%s)', (text, target) => expect(parseTarget(text)).toEqual(target))

test.each([[''], [':80'], ['svc/'], ['pod/:80'], ['.'], ['svc/..'], ['http://'], ['http://:80/x']])(
  'parseTarget(%j) names nothing',
  (text) => expect(() => parseTarget(text)).toThrow(QuestionError),
)

test.each([
  ['web.shop', { name: 'web', namespace: 'shop', certain: false }],
  ['web.shop.svc', { name: 'web', namespace: 'shop', certain: true }],
  ['WEB.shop.svc.cluster.local.', { name: 'web', namespace: 'shop', certain: true }],
  ['web-0.web.shop.svc.cluster.local', { name: 'web', namespace: 'shop', certain: true }],
  ['_http._tcp.web.shop.svc', { name: 'web', namespace: 'shop', certain: true }],
  ['api.example.com', undefined],
  ['web.shop.svc.corp.test', undefined],
  ['web', undefined],
])('serviceOfName(%s)', (name, service) =>
  expect(serviceOfName(name, 'cluster.local')).toEqual(service),
)
