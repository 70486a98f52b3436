// The kubelet against a real API server, running real Pods in namespaces of their own.
import { runScenarios } from './support/run-scenarios.ts'

await runScenarios({
  title: 'kubelet',
  file: 'kubelet-scenarios.ts',
  scenarios: 19,
  tools: ['nsenter', 'setpriv', 'mount'],
})
