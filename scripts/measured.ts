/**
 * Writes docs/measured.md's table from what `npm run bench -- --json` has printed: `npm run measured -- bench.json`,
 * or a directory of such files.
 *
 * Only what stands between the two marks is replaced. A figure keeps the words of its bench; nothing is rounded twice.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { type Measured, readMeasured } from './bench-files.ts'

const PAPER = join(import.meta.dirname, '..', 'docs/measured.md')
const BEGIN = '<!-- bench: begin -->'
const END = '<!-- bench: end -->'

export function tableOf({ machine, benches, skipped }: Measured): string {
  const rows = benches.map(
    ({ bench, name, what, ratio, low, high, rounds, ours, theirs, unit, target, meets }) =>
      cells([
        `${bench}: **${name}**: ${what}`,
        `${ratio.toFixed(2)} (${low.toFixed(2)} to ${high.toFixed(2)}, median of ${rounds})`,
        `${shown(ours)} against ${shown(theirs)} ${unit}`,
        asked(target, meets),
      ]),
  )
  return [
    ...machine,
    '',
    cells(['what', 'ratio', 'ours against theirs', 'asked']),
    '| --- | --- | --- | --- |',
    ...rows,
    ...skipped.map(({ name, why }) => cells([name, 'skipped', why, ''])),
  ].join('\n')
}

/** The paper with the table in its place. */
export function withTable(paper: string, table: string): string {
  const [from, to] = [paper.indexOf(BEGIN), paper.indexOf(END)]
  if (from === -1 || to < from) throw new Error(`the paper has no ${BEGIN} … ${END} to write between`)
  return `${paper.slice(0, from + BEGIN.length)}\n${table}\n${paper.slice(to)}`
}

function cells(texts: readonly string[]): string {
  return `| ${texts.map(text => text.replaceAll('|', '\\|')).join(' | ')} |`
}

function shown(value: number): string {
  return value >= 1000 ? Math.round(value).toLocaleString('en') : value.toPrecision(3)
}

function asked(target: Measured['benches'][number]['target'], meets: boolean | null): string {
  if (target === 'none') return ''
  const words = 'atMost' in target ? `at most ${target.atMost}` : `at least ${target.atLeast}`
  return meets === false ? `${words}: **missed**` : words
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const [file] = process.argv.slice(2)
  if (file === undefined) {
    console.error(
      'measured: expected the file that `npm run bench -- --json > bench.json` wrote, or a directory of such files',
    )
    process.exit(2)
  }
  writeFileSync(PAPER, withTable(readFileSync(PAPER, 'utf8'), tableOf(readMeasured(file))))
}
