/**
 * A reporter beside the one that people read: says at the end what was skipped and why, and knows the skips that are meant.
 *
 * scripts/skips.txt has a line for each: the file, and the reason, or its beginning and `…`. In CI a skip that isn't on the list fails the run: what
 * nobody decided to leave out isn't left out. Elsewhere it is only told. A line is added by hand: a list that writes itself
 * decides nothing.
 */
import { readFileSync } from 'node:fs'
import { join, relative } from 'node:path'

const ROOT = join(import.meta.dirname, '..')

interface Event {
  readonly type: string
  readonly data: { readonly name?: string; readonly file?: string; readonly skip?: string | boolean }
}

export interface Skip {
  readonly file: string
  readonly reason: string
}

/** The lines of the list; # begins a comment. */
export function readList(text: string): Skip[] {
  return text
    .split('\n')
    .map(line => line.replace(/^#.*/, '').trim())
    .filter(line => line !== '')
    .map(line => {
      const cut = line.indexOf(': ')
      if (cut === -1) throw new Error(`scripts/skips.txt: "${line}": expected FILE: REASON`)
      return { file: line.slice(0, cut), reason: line.slice(cut + 2) }
    })
}

/** How often each was skipped, in order of files; and which of them nobody meant. */
export function summary(skips: readonly Skip[], meant: readonly Skip[]): { lines: string[]; fresh: Skip[] } {
  const counts = new Map<string, { skip: Skip; count: number }>()
  for (const skip of skips) {
    const key = `${skip.file}: ${skip.reason}`
    const found = counts.get(key) ?? { skip, count: 0 }
    counts.set(key, { skip, count: found.count + 1 })
  }
  const sorted = [...counts].sort(([a], [b]) => (a < b ? -1 : 1))
  const isMeant = ({ file, reason }: Skip) =>
    meant.some(
      each =>
        each.file === file &&
        (each.reason === reason ||
          (each.reason.endsWith('…') && reason.startsWith(each.reason.slice(0, -1)))),
    )
  return {
    lines: sorted.map(
      ([key, { skip, count }]) => `  ${isMeant(skip) ? ' ' : '!'} ${String(count).padStart(3)}  ${key}`,
    ),
    fresh: sorted.map(([, { skip }]) => skip).filter(skip => !isMeant(skip)),
  }
}

// A reporter is what a module exports by default, so the rule against that has its one exception here.
// biome-ignore lint/style/noDefaultExport: node:test asks for it.
export default async function* report(events: AsyncIterable<Event>): AsyncGenerator<string> {
  const skips: Skip[] = []
  for await (const { type, data } of events)
    if (type === 'test:pass' && data.skip !== undefined && data.skip !== false)
      skips.push({
        file: relative(ROOT, data.file ?? ROOT),
        reason: typeof data.skip === 'string' && data.skip !== '' ? data.skip : 'NO REASON GIVEN',
      })
  if (skips.length === 0) return
  const { lines, fresh } = summary(skips, readList(readFileSync(join(ROOT, 'scripts/skips.txt'), 'utf8')))
  yield `\n${skips.length} tests were skipped:\n${lines.join('\n')}\n`
  if (fresh.length === 0) return
  yield `Marked with ! are skips that nobody meant: run what is skipped, or add a line to scripts/skips.txt and say why.\n`
  if (process.env['CI'] !== undefined) process.exitCode = 1
}
