import { expect, test } from 'vitest'
import { nameRequest } from './request.ts'

/** "verb group/version namespace resource/subresource name rest", with "-" for nothing. */
function check(request: string, expected: string): void {
  const [method = '', target = ''] = request.split(' ')
  const [path = '', search = ''] = target.split('?')
  const info = nameRequest({ method, path, query: new URLSearchParams(search) })
  const or = (text: string) => (text === '' ? '-' : text)
  const { verb, group, version, namespace, resource, subresource, name, rest } = info
  const what = subresource === '' ? resource : `${resource}/${subresource}`
  const shown = info.isResource
    ? [verb, `${or(group)}/${version}`, or(namespace), what, or(name), or(rest.join('/'))].join(' ')
    : `path ${verb} ${info.path}`
  expect(shown).toBe(expected)
}

test.each([
  ['GET /api/v1/pods', 'list -/v1 - pods - -'],
  ['GET /api/v1/namespaces/a/pods', 'list -/v1 a pods - -'],
  ['GET /api/v1/namespaces/a/pods/p', 'get -/v1 a pods p -'],
  ['GET /api/v1/namespaces/a/pods/p?watch=true', 'get -/v1 a pods p -'],
  ['GET /api/v1/namespaces/a/pods?watch=1', 'watch -/v1 a pods - -'],
  ['GET /api/v1/namespaces/a/pods?watch=maybe', 'watch -/v1 a pods - -'],
  ['GET /api/v1/namespaces/a/pods?watch=false', 'list -/v1 a pods - -'],
  ['GET /api/v1/watch/namespaces/a/pods', 'watch -/v1 a pods - -'],
  ['GET /api/v1/pods?fieldSelector=metadata.name%3Dx', 'list -/v1 - pods x -'],
  ['POST /apis/apps/v1/namespaces/a/deployments', 'create apps/v1 a deployments - -'],
  ['PUT /apis/apps/v1/namespaces/a/deployments/d/scale', 'update apps/v1 a deployments/scale d -'],
  ['DELETE /api/v1/namespaces/a/pods', 'deletecollection -/v1 a pods - -'],
  ['GET /api/v1/namespaces/a', 'get -/v1 a namespaces a -'],
  ['PUT /api/v1/namespaces/a/finalize', 'update -/v1 a namespaces/finalize a -'],
  ['GET /api/v1/namespaces/a/services/s:80/proxy/x/y', 'get -/v1 a services/proxy s:80 x/y'],
  ['GET /api/v1/namespaces/a/configmaps/%61', 'get -/v1 a configmaps a -'],
  ['GET /api/v1', 'path get /api/v1'],
  ['GET /apis/apps/v1', 'path get /apis/apps/v1'],
  ['GET /healthz', 'path get /healthz'],
  ['PATCH /api/v1/nodes/n', 'patch -/v1 - nodes n -'],
])('nameRequest() of %s', check)
