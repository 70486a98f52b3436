// The page of a check, as Markdown: the same on the terminal and in docs/how-to/troubleshoot.md.
import type { Check, Link } from './check.ts'
import { links } from './check.ts'
import { checks } from './checks.ts'

export function pageOf(check: Check): string[] {
  const { id, title, severity, confidence, page, link, needs, explains } = check
  return [
    `### ${id} ${title}`,
    '',
    `*${severity}, ${confidence}; link: ${link}*`,
    '',
    `**What you see.** ${page.symptom}`,
    '',
    `**How it is decided.** ${page.decides}`,
    '',
    `**What mends it.** ${page.remedy}`,
    '',
    `Looks at: ${needs.length > 0 ? needs.join(', ') : 'the client Pod'}.${explains.length > 0 ? ` Explains ${explains.join(', ')}.` : ''}`,
    `Sources: ${page.sources.join('; ')}.`,
  ]
}

const linkTitles: Readonly<Record<Link, string>> = {
  registration: 'Is there such a Service, and does it have that port?',
  backends: 'Do the Pods answer where the Service sends?',
  endpoints: 'Has the Service endpoints?',
  name: 'Does this client ask the right name of the right server?',
  dns: 'Is the cluster DNS well?',
  policy: 'Do policies let the client ask?',
  proxy: 'Are the rules in the kernel, and right?',
  traffic: 'Do traffic policies leave somebody to answer?',
}

const intro = `<!-- Made by scripts/gen-docs.ts from src/doctor/checks; never edited. -->
# A name does not answer

\`signpost doctor\` walks the links of the chain in the order in which they depend on each other, on this cluster or on any
other that your kubeconfig names. It only reads. The first broken link is the cause; what follows from it is folded under
it. A link that could not be looked at is unknown, never good.

\`\`\`
signpost doctor web                    a Service; with :PORT also the port that is dialled
signpost doctor web.shop --from client as Pod client asks and connects
signpost doctor pod/client             a Pod: its Services, its resolver, the policies on it
signpost doctor -n shop, -A            all Services of a namespace, or of all
signpost doctor --explain E01          one of the pages below
\`\`\`

Exit codes: 0 healthy, 1 problems, 2 could not look. \`-o json\` and \`-o yaml\` keep ids, severities and evidence stable.
\`--no-probe\` reads the API alone: without it DNS Pods are asked and ports are dialled, which takes
\`create pods/portforward\` and \`get pods/proxy\`. Live rules take \`get nodes/proxy\` and a node that shows them.

To watch a name come about instead: \`signpost explain register SERVICE --follow\`,
\`signpost explain resolve POD NAME\`, \`signpost explain connect POD SERVICE:PORT\`.
`

/** The whole of docs/how-to/troubleshoot.md. */
export function troubleshootPage(): string {
  const sections = links.flatMap((link) => {
    const own = checks.filter((check) => check.link === link)
    return own.length === 0
      ? []
      : ['', `## ${linkTitles[link]}`, ...own.flatMap((check) => ['', ...pageOf(check)])]
  })
  return `${[intro.trimEnd(), ...sections].join('\n')}\n`
}
