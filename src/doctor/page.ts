// The page of a check, as Markdown: the same on the terminal and in docs/how-to/troubleshoot.md.
import type { Check } from './check.ts'

export function pageOf({
  id,
  title,
  severity,
  confidence,
  page,
  link,
  needs,
  explains,
}: Check): string[] {
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
    `Looks at: ${needs.join(', ')}.${explains.length > 0 ? ` Explains ${explains.join(', ')}.` : ''}`,
    `Sources: ${page.sources.join('; ')}.`,
  ]
}
