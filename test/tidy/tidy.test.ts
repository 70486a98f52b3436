// Holds the house rules of ARCHITECTURE.md: rooms, doors, cycles, edges, sizes, READMEs.
import { existsSync, readFileSync } from 'node:fs'
import * as path from 'node:path'
import { describe, expect, it } from 'vitest'
import { doorsOf, edgeGlobals, edgeModules, edges, mayImport } from './rooms.ts'
import type { AstNode, Source } from './sources.ts'
import { root, sources, walk } from './sources.ts'

const limits = {
  fileLines: 400,
  functionLines: 70,
  parameters: 3,
  methods: 8,
  lineLength: 100,
  readmeLines: 60,
}

const roomOf = (target: string) => (target.startsWith('src/') ? target.split('/')[1]! : undefined)
const lineOf = (source: Source, node: AstNode) =>
  source.text.slice(0, node.start).split('\n').length

/** Every place that breaks a rule, as "file:line what". */
function offences(check: (source: Source) => readonly string[]): string[] {
  return sources.flatMap((source) => check(source).map((what) => `${source.file}:${what}`))
}

describe('rooms', () => {
  it('are all on the floor plan', () => {
    expect(
      [...new Set(sources.map((source) => source.room))].filter((room) => !(room in mayImport)),
    ).toEqual([])
  })

  it('import only rooms below them', () => {
    const found = offences((source) =>
      source.imports
        .filter(({ target }) => {
          const room = roomOf(target)
          return (
            room !== undefined && room !== source.room && !mayImport[source.room]!.includes(room)
          )
        })
        .map(({ target, line }) => `${line} imports ${target}`),
    )
    expect(found).toEqual([])
  })

  it('are entered by their doors', () => {
    const doors = new Map(Object.keys(mayImport).map((room) => [room, doorsOf(room)]))
    const found = offences((source) =>
      source.imports
        .filter(({ target }) => {
          const room = roomOf(target)
          if (room === undefined || room === source.room) return false
          const inside = target.slice(`src/${room}/`.length)
          return inside !== `${room}.ts` && !doors.get(room)!.some((door) => door.test(inside))
        })
        .map(({ target, line }) => `${line} imports ${target}, which is no door of its room`),
    )
    expect(found).toEqual([])
  })

  it('each have a README of at most 60 lines', () => {
    const rooms = [...new Set(sources.map((source) => source.room))]
    const found = rooms.filter((room) => {
      const readme = path.join(root, 'src', room, 'README.md')
      return (
        !existsSync(readme) ||
        readFileSync(readme, 'utf8').split('\n').length > limits.readmeLines + 1
      )
    })
    expect(found).toEqual([])
  })

  it('have no barrels and no default exports', () => {
    expect(
      sources.filter((source) => source.file.endsWith('/index.ts')).map((source) => source.file),
    ).toEqual([])
    expect(
      offences((source) =>
        source.lines.flatMap((line, index) =>
          /^export default/.test(line) ? [`${index + 1}`] : [],
        ),
      ),
    ).toEqual([])
  })
})

describe('imports', () => {
  it('have no cycles, type imports included', () => {
    const imports = new Map(
      sources.map((source) => [source.file, source.imports.map(({ target }) => target)]),
    )
    const state = new Map<string, 'open' | 'done'>()
    const cycles: string[] = []
    const visit = (file: string, trail: readonly string[]) => {
      if (state.get(file) === 'done') return
      if (state.get(file) === 'open') {
        cycles.push([...trail.slice(trail.indexOf(file)), file].join(' -> '))
        return
      }
      state.set(file, 'open')
      for (const target of imports.get(file) ?? [])
        if (imports.has(target)) visit(target, [...trail, file])
      state.set(file, 'done')
    }
    for (const file of imports.keys()) visit(file, [])
    expect(cycles).toEqual([])
  })
})

describe('edges', () => {
  const isEdge = (file: string) => edges.some(({ pattern }) => pattern.test(file))

  it('alone do I/O', () => {
    const found = offences((source) =>
      isEdge(source.file)
        ? []
        : source.imports
            .filter(
              ({ target }) => target.startsWith('node:') && edgeModules.includes(target.slice(5)),
            )
            .filter(({ line }) => !/^import type/.test(source.lines[line - 1]!))
            .map(({ target, line }) => `${line} imports ${target}`),
    )
    expect(found).toEqual([])
  })

  it('alone read the clock, chance and the environment', () => {
    const found = offences((source) =>
      isEdge(source.file)
        ? []
        : source.lines.flatMap((line, index) =>
            edgeGlobals.test(line) && !/^\s*(\/\/|\*|\/\*\*)/.test(line)
              ? [`${index + 1} ${line.trim()}`]
              : [],
          ),
    )
    expect(found).toEqual([])
  })

  it('are each there', () => {
    expect(
      edges
        .filter(({ pattern }) => !sources.some(({ file }) => pattern.test(file)))
        .map(({ pattern }) => String(pattern)),
    ).toEqual([])
  })
})

describe('sizes', () => {
  it('files have at most 400 lines', () => {
    expect(
      sources
        .filter((source) => source.lines.length - 1 > limits.fileLines)
        .map((source) => source.file),
    ).toEqual([])
  })

  it('functions have at most 70 lines and 3 parameters', () => {
    const found = offences((source) => {
      const what: string[] = []
      walk(source.program, (node) => {
        if (!/^(FunctionDeclaration|FunctionExpression|ArrowFunctionExpression)$/.test(node.type))
          return
        const text = source.text.slice(node.start, node.end)
        const lines = text.split('\n').length
        if (lines > limits.functionLines)
          what.push(`${lineOf(source, node)} function of ${lines} lines`)
        const parameters = parametersOf(node)
        if (parameters > limits.parameters)
          what.push(`${lineOf(source, node)} function of ${parameters} parameters`)
      })
      return what
    })
    expect(found).toEqual([])
  })

  it('interfaces have at most 8 methods', () => {
    const found = offences((source) => {
      const what: string[] = []
      walk(source.program, (node) => {
        if (node.type !== 'TSInterfaceBody') return
        const methods = (node['body'] as AstNode[]).filter(
          (member) => member.type === 'TSMethodSignature',
        )
        if (methods.length > limits.methods)
          what.push(`${lineOf(source, node)} interface of ${methods.length} methods`)
      })
      return what
    })
    expect(found).toEqual([])
  })

  function parametersOf(node: AstNode): number {
    const params = node['params'] as AstNode[] | { items?: AstNode[] }
    return Array.isArray(params) ? params.length : (params.items?.length ?? 0)
  }
})

describe('comments', () => {
  it('open every file', () => {
    expect(
      sources
        .filter((source) => !/^(#!.*\n)?(\/\/|\/\*\*)/.test(source.text))
        .map((source) => source.file),
    ).toEqual([])
  })

  it('have no TODO without an issue', () => {
    expect(
      offences((source) =>
        source.lines.flatMap((line, index) =>
          /\b(TODO|FIXME|XXX)\b(?!\(#\d+\))/.test(line) ? [`${index + 1}`] : [],
        ),
      ),
    ).toEqual([])
  })
})
