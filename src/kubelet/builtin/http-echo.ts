// hashicorp/http-echo: one text for everybody.
import { createServer } from 'node:http'

export function run(args: readonly string[]): void {
  const text = option(args, 'text') ?? process.env['ECHO_TEXT'] ?? 'hello-world'
  const listen = option(args, 'listen') ?? ':5678'
  const [host, port] = [
    listen.slice(0, listen.lastIndexOf(':')),
    listen.slice(listen.lastIndexOf(':') + 1),
  ]
  const server = createServer((request, response) => {
    request.resume()
    response.writeHead(200, {
      'X-App-Name': 'http-echo',
      'Content-Type': 'text/plain; charset=utf-8',
    })
    response.end(request.url === '/health' ? '{"status":"ok"}\n' : `${text}\n`)
  })
  server.listen({ port: Number(port), ...(host ? { host } : {}) })
}

/** "-text=x", "--text=x" or "-text x". */
export function option(args: readonly string[], name: string): string | undefined {
  for (const [index, arg] of args.entries()) {
    const match = /^--?([^=]+)(?:=(.*))?$/s.exec(arg)
    if (match?.[1] === name) return match[2] ?? args[index + 1] ?? ''
  }
  return undefined
}
