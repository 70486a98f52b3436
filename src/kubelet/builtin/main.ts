// The one entry of built-in servers and tools. Each is loaded alone: they run by the dozen, and small.
const servers: Readonly<Record<string, () => Promise<{ run(args: readonly string[]): void }>>> = {
  echo: () => import('./echo.ts'),
  agnhost: () => import('./agnhost.ts'),
  'http-echo': () => import('./http-echo.ts'),
  whoami: () => import('./whoami.ts'),
  web: () => import('./web.ts'),
  curl: () => import('./curl.ts'),
}

const [kind = '', ...args] = process.argv.slice(2)
const load = servers[kind]
if (!load) {
  process.stderr.write(`unknown built-in server "${kind}"\n`)
  process.exit(2)
}
// As pid 1 nothing ends this process by default.
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => process.exit(0))
const server = await load()
server.run(args)
