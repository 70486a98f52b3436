// `signpost explain register|resolve|connect`: how a name and a connection come about.

import type { DoctorDeps } from '../doctor/doctor.ts'
import {
  type ExplainOptions,
  explainConnect,
  explainRegister,
  explainResolve,
  followRegister,
  NotThereError,
} from '../doctor/explain.ts'
import {
  changedSteps,
  type Explanation,
  formatExplanation,
  formatStep,
  type Step,
} from '../doctor/steps.ts'
import { type ApiOptions, failure, printData, terminalStyle, withApi } from './doctor.ts'
import { dim, print } from './output.ts'

/** As shells have it for SIGINT, the only way out. */
const interruptedCode = 130

interface RegisterOptions extends ApiOptions {
  readonly follow?: boolean
}

interface ResolveOptions extends ApiOptions {
  readonly libc?: 'glibc' | 'musl'
}

export async function register(name: string, options: RegisterOptions): Promise<void> {
  await withApi(options, async (deps, namespace) => {
    const chosen = { ...options, namespace }
    if (options.follow) return follow(name, deps, chosen)
    await show(await explainRegister(name, deps, chosen), options)
  })
}

export async function resolve(pod: string, name: string, options: ResolveOptions): Promise<void> {
  await withApi(options, async (deps, namespace) => {
    const context = { deps, options: { ...options, namespace } }
    await show(await there(explainResolve(pod, name, context)), options)
  })
}

export async function connect(pod: string, to: string, options: ApiOptions): Promise<void> {
  await withApi(options, async (deps, namespace) => {
    const context = { deps, options: { ...options, namespace } }
    await show(await there(explainConnect(pod, to, context)), options)
  })
}

async function there(explanation: Promise<Explanation>): Promise<Explanation> {
  try {
    return await explanation
  } catch (error) {
    if (error instanceof NotThereError) throw failure(error.message)
    throw error
  }
}

async function show(explanation: Explanation, { output }: ApiOptions): Promise<void> {
  if (output) await printData(explanation, output)
  else print(formatExplanation(explanation, terminalStyle).join('\n'))
  process.exitCode = explanation.steps.some(({ state }) => state === 'failed') ? 1 : 0
}

/** The whole picture once, then each step again when it says something else. */
async function follow(name: string, deps: DoctorDeps, options: ExplainOptions): Promise<void> {
  const abort = new AbortController()
  process.once('SIGINT', () => abort.abort())
  process.once('SIGTERM', () => abort.abort())
  let before: readonly Step[] | undefined
  for await (const explanation of followRegister(name, deps, {
    ...options,
    signal: abort.signal,
  })) {
    const { steps } = explanation
    if (!before) print(formatExplanation(explanation, terminalStyle).join('\n'))
    else {
      for (const index of changedSteps(before, steps)) {
        print(dim(new Date().toISOString().slice(11, 23)))
        print(formatStep(steps[index]!, index, terminalStyle).join('\n'))
      }
    }
    before = steps
  }
  process.exitCode = interruptedCode
}
