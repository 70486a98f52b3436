// Run in a node's network namespace: cuts its agent off from the API ("on"), or lets it back ("off").
// Pods, DNS among them, go on: only what the node sends to itself is dropped.
import { openNftables } from '../../../src/linux/nftables/apply.ts'
import type { FieldName } from '../../../src/linux/nftables/fields.ts'
import type { MatchStatement, Rule } from '../../../src/linux/nftables/objects.ts'

const [verb, nodeIP = '', port = ''] = process.argv.slice(2)
const is = (field: FieldName, value: string): MatchStatement => ({
  type: 'match',
  field,
  op: '==',
  value,
})
const between = [is('ip saddr', nodeIP), is('ip daddr', nodeIP), is('meta l4proto', 'tcp')]
const drop: Rule = [{ type: 'verdict', verdict: 'drop' }]
const nftables = openNftables({ family: 'ip', name: 'cut-off', owner: false })
if (verb === 'on') {
  const name = 'output'
  nftables.apply([
    { type: 'addTable' },
    {
      type: 'addChain',
      chain: { name, base: { type: 'filter', hook: 'output', priority: -300 }, rules: [] },
    },
    { type: 'addRule', chain: name, rule: [...between, is('th sport', port), ...drop] },
    { type: 'addRule', chain: name, rule: [...between, is('th dport', port), ...drop] },
  ])
} else {
  nftables.apply([{ type: 'deleteTable' }])
}
nftables.close()
