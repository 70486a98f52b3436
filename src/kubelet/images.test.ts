import { describe, expect, it } from 'vitest'
import type { Container } from '../api/types/core.gen.ts'
import type { ImageContext } from './image.ts'
import { formatImageRef, parseImageRef } from './image-ref.ts'
import { resolveImage } from './images.ts'

const program = { execPath: '/n/node', execArgv: [], entry: '/p/main.js', roots: ['/p'] }
const context = (more: Partial<ImageContext> = {}): ImageContext => ({
  policy: 'host',
  map: [],
  program,
  hasProgram: (name) => ['sh', 'node', '/usr/bin/mine'].includes(name),
  ...more,
})

function resolve(container: Partial<Container>, more?: Partial<ImageContext>) {
  const result = resolveImage({ name: 'app', ...container }, context(more))
  if ('reason' in result) return `${result.reason}: ${result.message}`
  return `${result.image.imageID} ${result.image.argv.join(' ')}`.trim()
}

describe('parseImageRef()', () => {
  const check = (text: string, expected: string | undefined) => {
    const ref = parseImageRef(text)
    expect(ref && formatImageRef(ref)).toBe(expected)
  }

  it('completes registry, library and tag', () => {
    check('nginx', 'docker.io/library/nginx:latest')
    check('signpost/echo:1', 'docker.io/signpost/echo:1')
    check('registry.k8s.io/pause:3.10', 'registry.k8s.io/pause:3.10')
    check('localhost:5000/a/b', 'localhost:5000/a/b:latest')
    const digest = `sha256:${'0'.repeat(64)}`
    check(`nginx@${digest}`, `docker.io/library/nginx@${digest}`)
  })

  it('refuses what is no reference', () => {
    for (const text of ['', 'Nginx', 'a b', 'nginx:', 'nginx:a/b', '/nginx', 'a//b', 'x@y']) {
      check(text, undefined)
    }
  })
})

describe('resolveImage()', () => {
  it('asks the map first: exact, without a tag, by pattern', () => {
    const map = [
      { image: 'nginx:1.27', rootfs: '/images/nginx', entrypoint: ['nginx'] },
      { image: 'nginx', host: true, entrypoint: ['sh'] },
      { image: 'ghcr.io/us/*', host: true, cmd: ['node', 'x.js'] },
    ]
    expect(resolve({ image: 'nginx:1.27' }, { map })).toBe(
      'map://docker.io/library/nginx:1.27 nginx',
    )
    expect(resolve({ image: 'nginx:1.26' }, { map })).toBe('map://docker.io/library/nginx:1.26 sh')
    expect(resolve({ image: 'ghcr.io/us/app:2' }, { map })).toBe('map://ghcr.io/us/app:2 node x.js')
  })

  it('then what is built in, with the program shown read-only', () => {
    const result = resolveImage(
      { name: 'dns', image: 'signpost/coredns', args: ['-conf', 'C'] },
      context(),
    )
    expect(result).toMatchObject({
      image: {
        imageID: 'signpost-builtin://coredns',
        argv: ['/n/node', '--max-semi-space-size=2', '/p/main.js', 'dns', '-conf', 'C'],
        mounts: [
          { source: '/n/node', target: '/n/node', readOnly: true },
          { source: '/p', target: '/p', readOnly: true },
        ],
      },
    })
    expect('image' in result && result.image.substitution).toBe(undefined)
  })

  it('says so when a built-in stands in for somebody else’s image (IM2)', () => {
    const result = resolveImage({ name: 'web', image: 'nginx' }, context())
    expect('image' in result && result.image.substitution).toBe(
      'image "nginx" is not run as it is: it is replaced by Signpost\'s built-in web',
    )
  })

  it('then programs of the host, if the policy allows', () => {
    const image = 'quay.io/x/y'
    expect(resolve({ image, command: ['/usr/bin/mine', '-v'] })).toBe(
      'host://quay.io/x/y:latest /usr/bin/mine -v',
    )
    expect(resolve({ image: 'node:20', args: ['-e', '1'] })).toBe(
      'host://docker.io/library/node:20 node -e 1',
    )
    expect(resolve({ image, command: ['/usr/bin/mine'] }, { policy: 'builtin' })).toMatch(
      /^ErrImagePull/,
    )
    expect(resolve({ image: 'busybox' }, { policy: 'strict' })).toMatch(/^ErrImagePull/)
  })

  it('else fails, naming the image and what to do (C78)', () => {
    const failure = resolve({ image: 'quay.io/x/y:1' })
    for (const part of [
      'ErrImagePull',
      'quay.io/x/y:1',
      'signpost-images',
      'command',
      'built-in',
    ]) {
      expect(failure).toContain(part)
    }
    expect(resolve({ image: 'quay.io/x/y:1', imagePullPolicy: 'Never' })).toMatch(
      /^ErrImageNeverPull/,
    )
    expect(resolve({ image: 'No Image' })).toMatch(/^InvalidImageName/)
  })

  it('lets command replace entry point and arguments, args only the arguments (IM5)', () => {
    const map = [{ image: 'x', host: true, entrypoint: ['run'], cmd: ['a'] }]
    expect(resolve({ image: 'x' }, { map })).toMatch(/ run a$/)
    expect(resolve({ image: 'x', args: ['b'] }, { map })).toMatch(/ run b$/)
    expect(resolve({ image: 'x', command: ['c'] }, { map })).toMatch(/ c$/)
    expect(resolve({ image: 'x', command: ['c'], args: ['d'] }, { map })).toMatch(/ c d$/)
    expect(resolve({ image: 'x' }, { map: [{ image: 'x', host: true }] })).toMatch(
      /^CreateContainerError: no command specified/,
    )
  })
})
