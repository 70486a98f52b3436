// The proxy under real packets: a node, Pods and an outsider in network namespaces.
import { runScenarios } from './support/run-scenarios.ts'

const file = 'proxy-scenarios.ts'
const tools = ['ip', 'nsenter']

await runScenarios({
  title: 'proxy over nftables',
  file,
  args: ['nftables'],
  scenarios: 20,
  tools,
  needsNftables: true,
})
await runScenarios({
  title: 'proxy in userspace',
  file,
  args: ['userspace'],
  scenarios: 6,
  tools,
  onlyRootless: true,
})
