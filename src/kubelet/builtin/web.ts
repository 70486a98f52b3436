// The files of a directory over HTTP: what images of web servers are used for most.
import { createReadStream, type Stats, statSync } from 'node:fs'
import { createServer, type ServerResponse } from 'node:http'
import { extname, join, normalize } from 'node:path'

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html',
  '.css': 'text/css',
  '.js': 'text/javascript',
  '.json': 'application/json',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.jpg': 'image/jpeg',
  '.txt': 'text/plain',
}

const welcome = `<!DOCTYPE html>
<title>Signpost</title>
<h1>It works</h1>
<p>This is Signpost's built-in web server, which stands in for the image; it serves files and nothing else.</p>
`

export function run([port = '80', root = '.']: readonly string[]): void {
  createServer((request, response) => {
    request.resume()
    const { pathname } = new URL(request.url ?? '/', 'http://web')
    const status = serve(root, { path: pathname, method: request.method ?? 'GET' }, response)
    const peer = (request.socket.remoteAddress ?? '').replace(/^::ffff:/, '')
    process.stdout.write(`${peer} "${request.method} ${request.url}" ${status}\n`)
  }).listen(Number(port))
}

function serve(root: string, wanted: Wanted, response: ServerResponse): number {
  const { path, method } = wanted
  response.setHeader('server', 'signpost')
  if (method !== 'GET' && method !== 'HEAD') return end(response, 405, 'Method Not Allowed\n')
  let file: string
  try {
    // normalize() of an absolute path cannot climb above its root.
    file = join(root, normalize(`/${decodeURIComponent(path)}`))
  } catch {
    return end(response, 400, 'Bad Request\n')
  }
  let stat = statOf(file)
  if (stat?.isDirectory()) {
    file = join(file, 'index.html')
    stat = statOf(file)
  }
  if (!stat?.isFile()) {
    if (path !== '/') return end(response, 404, 'Not Found\n')
    response.setHeader('content-type', 'text/html')
    return end(response, 200, welcome)
  }
  response.setHeader('content-type', types[extname(file)] ?? 'application/octet-stream')
  response.setHeader('content-length', stat.size)
  if (method === 'HEAD') response.end()
  else
    createReadStream(file)
      .on('error', () => response.destroy())
      .pipe(response)
  return 200
}

interface Wanted {
  readonly path: string
  readonly method: string
}

function statOf(file: string): Stats | undefined {
  return statSync(file, { throwIfNoEntry: false })
}

function end(response: ServerResponse, code: number, body: string): number {
  response.statusCode = code
  response.end(body)
  return code
}
