// An unmodified helm against the API server alone: a release installed, changed, rolled back and removed.
import * as path from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Server } from './server.ts'
import { startServer } from './server.ts'

const chart = path.join(import.meta.dirname, 'chart')
let server: Server
beforeAll(async () => {
  server = await startServer()
})
afterAll(() => server?.stop())

async function helm(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await server.helm(...args, '-n', 'shop')
  if (code !== 0) throw new Error(`helm ${args.join(' ')}: ${stderr}`)
  return stdout
}

const field = async (what: string, jsonpath: string): Promise<string> =>
  (await server.kubectl('get', what, '-n', 'shop', '-o', `jsonpath={${jsonpath}}`)).stdout

const shown = async () => ({
  greeting: await field('cm/one', '.data.greeting'),
  replicas: await field('deploy/one', '.spec.replicas'),
  image: await field('deploy/one', '.spec.template.spec.containers[0].image'),
  port: await field('svc/one', '.spec.ports[0].port'),
})

const first = { greeting: 'hello', replicas: '1', image: 'shop:1', port: '80' }

test('install, upgrade, rollback, uninstall', async () => {
  expect(await helm('install', 'one', chart, '--create-namespace')).toContain('STATUS: deployed')
  expect(await shown()).toEqual(first)
  expect(await field('cm/one', '.data.services')).toBe('true')
  const clusterIP = await field('svc/one', '.spec.clusterIP')

  const values = ['--set', 'replicas=3,image=shop:2,port=8080,greeting=hi']
  expect(await helm('upgrade', 'one', chart, ...values)).toContain('REVISION: 2')
  expect(await shown()).toEqual({ greeting: 'hi', replicas: '3', image: 'shop:2', port: '8080' })

  await helm('rollback', 'one', '1')
  expect(await shown()).toEqual(first)
  expect(await field('svc/one', '.spec.clusterIP')).toBe(clusterIP)
  const history = JSON.parse(await helm('history', 'one', '-o', 'json')) as { status: string }[]
  expect(history.map(({ status }) => status)).toEqual(['superseded', 'superseded', 'deployed'])

  expect(await helm('uninstall', 'one')).toContain('release "one" uninstalled')
  const left = await server.kubectl('get', 'deploy,svc,secret', '-n', 'shop', '-o', 'name')
  expect(left.stdout).toBe('')
})

test('an upgrade that the server refuses leaves the release as it was', async () => {
  await helm('install', 'one', chart, '--create-namespace')
  const refused = await server.helm('upgrade', 'one', chart, '-n', 'shop', '--set', 'port=70000')
  expect(refused.code).toBe(1)
  expect(refused.stderr).toContain('must be between 1 and 65535, inclusive')
  expect(await shown()).toEqual(first)
  expect(await helm('status', 'one', '--revision', '1')).toContain('STATUS: deployed')
})
