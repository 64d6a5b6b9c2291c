import { alertRules } from './rules.ts'

/**
 * Grafana shows the runbooks itself, so that an alert's link works for anyone who runs the stack, wherever the
 * repository is. It is a dashboard with one panel per rule, generated from runbooks.md, in which the heading of each
 * section is the uid of its rule.
 */
const DASHBOARD = 'shop-update-runbooks'

/** The path of a rule's runbook, below the root of Grafana. */
export const runbookOf = (uid: string): string => `/d/${DASHBOARD}?viewPanel=panel-${panelOf(uid)}`

const panelOf = (uid: string): number => alertRules().findIndex((rule) => rule.uid === uid) + 1

/** The sections of runbooks.md by heading. */
export function sections(markdown: string): Map<string, string> {
  const [, ...parts] = markdown.split(/^## /m)
  return new Map(
    parts.map((part) => {
      const end = part.indexOf('\n')
      return [part.slice(0, end).trim(), part.slice(end).trim()]
    }),
  )
}

const HEIGHT = 12

/** @throws if a rule has no section */
export function runbooksDashboard(markdown: string): object {
  const texts = sections(markdown)
  return {
    uid: DASHBOARD,
    title: 'Shop Update: runbooks',
    description: 'What each alert means, how to check it, and what to do.',
    tags: ['shop-update'],
    schemaVersion: 41,
    editable: false,
    panels: alertRules().map(({ uid, title }, place) => {
      const content = texts.get(uid)
      if (content === undefined) throw new Error(`runbooks.md has no section ${uid}`)
      return {
        id: place + 1,
        type: 'text',
        title: `${title} (${uid})`,
        gridPos: { x: 0, y: place * HEIGHT, w: 24, h: HEIGHT },
        options: { mode: 'markdown', content },
      }
    }),
  }
}
