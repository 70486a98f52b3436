import { describe, expect, test } from 'vitest'
import { diagnose } from './diagnose.ts'
import { printableText } from './printable.ts'
import { formatExplanation, formatStep, type Step } from './steps.ts'
import { healthy, pod, slice } from './test-objects.ts'
import { formatReport, plain } from './text.ts'

test.each([
  ['plain words, ünïcode → ✓', 'plain words, ünïcode → ✓'],
  ['\u001b[2Jgone', '\\x1b[2Jgone'],
  ['\u001b]0;title\u0007', '\\x1b]0;title\\x07'],
  ['\u009b31mred\u007f', '\\x9b31mred\\x7f'],
  ['one\ntwo\r\tthree\u0000', 'one\\ntwo\\r\\tthree\\x00'],
  ['\u202eabc\u2028', '\\u202eabc\\u2028'],
])('printableText(%j)', (text, expected) => expect(printableText(text)).toBe(expected))

const raw = /[\u0000-\u001f\u007f-\u009f]/
const evil = '\u001b]0;x\u0007\nhealthy: \u009b2J'

describe('no word of an object or argument steers the terminal', () => {
  const waiting = [
    {
      ...{ name: 'app', image: '', imageID: '', ready: false, restartCount: 0 },
      state: { waiting: { reason: 'ErrImagePull', message: evil } },
    },
  ]
  const pods = [pod('web', { ready: false, status: { containerStatuses: waiting } })]
  const report = diagnose({ ...healthy(), pods, endpointSlices: [slice('web', pods)] })

  test('in a report', () => {
    const lines = formatReport(report, { style: plain, all: true })
    expect(lines.join(' ')).toContain('ErrImagePull: \\x1b]0;x\\x07\\nhealthy: \\x9b2J')
    expect(lines.filter((line) => raw.test(line))).toEqual([])
  })
  test('in what was asked, in commands, in what was not seen', () => {
    const lines = formatReport(
      {
        ...report,
        asked: { namespace: 'shop', service: { namespace: evil, name: evil } },
        findings: report.findings.map((one) => ({
          ...one,
          evidence: [{ command: `kubectl get ${evil}`, shows: evil }],
          fix: { commands: [`kubectl delete ${evil}`], risk: evil },
        })),
        unseen: [{ fact: 'nodes', reason: 'rbac', detail: evil }],
      },
      { style: plain, all: true },
    )
    expect(lines.filter((line) => raw.test(line))).toEqual([])
  })
  test('in an explanation; the marks of the style stay', () => {
    const step: Step = { title: evil, state: 'done', time: evil, lines: [evil], command: evil }
    const style = { ...plain, bold: (text: string) => `<b>${text}</b>` }
    const lines = formatExplanation(
      { apiVersion: 'signpost.dev/v1alpha1', kind: 'LookupReport', subject: evil, steps: [step] },
      style,
    )
    expect([...lines, ...formatStep(step, 0, style)].filter((line) => raw.test(line))).toEqual([])
    expect(lines[0]).toMatch(/^<b>.*<\/b>$/)
  })
})
