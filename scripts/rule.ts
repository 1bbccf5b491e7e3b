/**
 * Leads from a message of the field to the rule that was broken:
 *
 *     npm run rule -- FP1
 *
 * It prints the file that defines the label, the sentence, and each message that begins with it.
 *
 * Exit status   0  it was found     1  no file defines it     2  wrong words
 */
import { globSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'

const LABEL = /^[A-Z]{1,3}\d{1,2}$/

export interface Rule {
  /** As path:line. */
  readonly place: string
  readonly sentence: string
  /** As path:line. */
  readonly messages: readonly string[]
}

/** The rule of a label in the tree `files` (path -> text); undefined: nobody defines it. */
export function ruleOf(label: string, files: ReadonlyMap<string, string>): Rule | undefined {
  const defined = new RegExp(`^ \\*   ${label}  ?(?!\\(|,|and |to )(.*)$`)
  const told = new RegExp(`['"\`]${label}: `)
  let rule: { readonly place: string; readonly sentence: string } | undefined
  const messages: string[] = []
  for (const [path, text] of files) {
    const lines = text.split('\n')
    for (const [at, line] of lines.entries()) {
      const begins = defined.exec(line)?.[1]
      if (begins !== undefined && rule === undefined)
        rule = { place: `${path}:${at + 1}`, sentence: [begins, ...rest(lines, at + 1)].join(' ') }
      if (told.test(line)) messages.push(`${path}:${at + 1}`)
    }
  }
  return rule && { ...rule, messages }
}

/** A sentence goes on in the lines that are indented further than a label. */
function rest(lines: readonly string[], from: number): string[] {
  const found: string[] = []
  for (let at = from; /^ \* {6,}\S/.test(lines[at] ?? ''); at++) found.push(lines[at]!.slice(2).trim())
  return found
}

function main(): void {
  const label = process.argv[2]
  if (label === undefined || !LABEL.test(label)) {
    console.error(`expected the label of a rule, such as FP1, got ${label ?? 'nothing'}`)
    process.exitCode = 2
    return
  }
  const root = resolve(import.meta.dirname, '..')
  const paths = globSync(['src/**/*.ts', 'scripts/*.ts'], { cwd: root }).filter(
    path => !/\.(test|suite|fuzz|fixture)\.ts$/.test(path),
  )
  const rule = ruleOf(label, new Map(paths.map(path => [path, readFileSync(join(root, path), 'utf8')])))
  if (rule === undefined) {
    console.error(`no file defines ${label}`)
    process.exitCode = 1
    return
  }
  console.log(`${label}  ${rule.sentence}\ndefined  ${rule.place}`)
  for (const place of rule.messages) console.log(`told     ${place}`)
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) main()
