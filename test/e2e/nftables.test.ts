// The nftables encoder against the kernel, and its text against the `nft` program where there is one.
import { runScenarios } from './support/run-scenarios.ts'

await runScenarios({
  title: 'nftables by netlink',
  file: 'nftables-scenarios.ts',
  scenarios: 5,
  needsNftables: true,
})
