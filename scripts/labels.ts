/**
 * The labels of invariants, as a check: a message from the field leads to the one sentence that was believed.
 *
 * A label is defined in the header comment of a file, on a line of its own (` *   LB1  …`), and named in messages
 * (`assert(…, 'LB1: …')`) and in other headers (`LB1 to LB3 (labels.ts)`).
 *
 * Invariants
 *   LB1  A label is defined once in the project.
 *   LB2  A label that begins a message is defined.
 *   LB3  A label that is said to be another file's is defined there.
 */
import { basename } from 'node:path'

const LABEL = '[A-Z]{1,3}\\d{1,2}'
const HEADER = /^(#!.*\n)?\/\*\*[\s\S]*?\*\//
const DEFINED = new RegExp(`^ \\*   (${LABEL})  ?(?!\\(|,|and |to |${LABEL})`, 'gm')
const MESSAGE = new RegExp(`['"\`](${LABEL}): `, 'g')
const REFERENCE = new RegExp(`((?:${LABEL}(?:, | and | to | )?)+)\\((?:[\\w-]+/)*([\\w-]+\\.ts)\\)`, 'g')
const TEST = /\.(test|suite|fuzz|fixture)\.ts$/

/** Every breach of LB1 to LB3 in the tree `files` (path -> text), one sentence each. */
export function mislabeled(files: ReadonlyMap<string, string>): string[] {
  const found: string[] = []
  const home = new Map<string, string>()
  for (const [path, text] of files) {
    if (TEST.test(path)) continue
    for (const [, label] of headerOf(text).matchAll(DEFINED)) {
      const other = home.get(label!)
      if (other !== undefined)
        found.push(`LB1 ${path}: ${label} is ${other}'s already; take letters that no other file has`)
      else home.set(label!, path)
    }
  }
  for (const [path, text] of files) {
    for (const [, label] of text.matchAll(MESSAGE))
      if (!home.has(label!) && !TEST.test(path))
        found.push(`LB2 ${path}: a message begins with ${label}, and no header defines it`)
    for (const [, labels, file] of headerOf(text).matchAll(REFERENCE))
      for (const label of labels!.match(new RegExp(LABEL, 'g')) ?? [])
        if (basename(home.get(label) ?? '') !== file)
          found.push(`LB3 ${path}: ${label} is said to be ${file}'s, and is ${home.get(label) ?? 'nobody'}'s`)
  }
  return found
}

function headerOf(text: string): string {
  return HEADER.exec(text)?.[0] ?? ''
}
