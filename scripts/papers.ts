/**
 * The papers as programs: what README and docs/ show is what is run, from the packed package, in a project of its own.
 *
 *     papers --read--> blocks --compile--> once, all of them --run--> by each Node, in a folder that a paper's blocks share
 *
 * What a block is, its fence says: ts, sh and yaml are run; text, rooms and html are shown. A comment above the fence, which
 * no reader sees, says what else it needs:
 *
 *     <!-- before: truncate -s 1M big.bin -->      done first, by the shell
 *     <!-- with: 1GiB = 16MiB -->                  the same words, but smaller
 *     <!-- runs as: faultline demo … -->           what is run in its place: the same, but shorter
 *     <!-- needs: hardware -->                     root, hardware, tracefs: skipped where it isn't there
 *     <!-- in the checkout -->                     commands of the repository: that they exist is checked
 *     <!-- not run: why -->                        counted, and told
 *
 * Invariants
 *   DP1  Every fenced block of a paper is run, checked, shown for its words alone, or skipped with a reason.
 *   DP2  No command line stands in an indented block, where it would be neither run nor counted.
 */
import { readFileSync } from 'node:fs'

export interface Block {
  readonly paper: string
  /** Of its fence, from 1. */
  readonly line: number
  readonly language: 'ts' | 'sh' | 'yaml'
  /** After the language: the name of the file, for yaml; `continues`, for ts that goes on from the block before. */
  readonly info: string
  readonly text: string
  readonly before: readonly string[]
  /** What is run, if it isn't `text`. */
  readonly runsAs: string | undefined
  readonly needs: readonly string[]
  readonly place: 'package' | 'checkout'
  readonly notRun: string | undefined
}

const SHOWN = new Set(['text', 'rooms', 'html', 'json'])
const RUN = new Set(['ts', 'sh', 'yaml'])
const COMMAND = /^ {4,}(?:\$ )?(?:npx|npm|node|faultline|sudo|perf|cd) /

/** Every block of a paper that is run (DP1). */
export function blocksOf(paper: string, text: string): Block[] {
  const lines = text.split('\n')
  const blocks: Block[] = []
  let notes: string[] = []
  for (let at = 0; at < lines.length; at++) {
    const line = lines[at]!
    const note = /^<!-- (.*) -->$/.exec(line)
    if (note !== null) {
      notes.push(note[1]!)
      continue
    }
    if (COMMAND.test(line))
      throw new Error(
        `${paper}:${at + 1}: DP2 a command line in an indented block; put it into a block of sh`,
      )
    const fence = /^( *)```(\S*) ?(.*)$/.exec(line)
    if (fence === null) {
      if (line.trim() !== '') notes = []
      continue
    }
    const [, indent, language, info] = fence as unknown as [string, string, string, string]
    const end = lines.findIndex((each, index) => index > at && each === `${indent}\`\`\``)
    if (end === -1) throw new Error(`${paper}:${at + 1}: DP1 a block that doesn't end`)
    const body = lines.slice(at + 1, end).map(each => each.slice(indent.length))
    if (RUN.has(language)) blocks.push(blockOf(paper, at + 1, language, info, `${body.join('\n')}\n`, notes))
    else if (!SHOWN.has(language))
      throw new Error(`${paper}:${at + 1}: DP1 a block of "${language}"; expected ts, sh, yaml, or text`)
    notes = []
    at = end
  }
  return blocks
}

function blockOf(
  paper: string,
  line: number,
  language: string,
  info: string,
  text: string,
  notes: readonly string[],
): Block {
  const all = (word: string) =>
    notes.filter(note => note.startsWith(`${word}:`)).map(note => note.slice(word.length + 1).trim())
  for (const note of notes)
    if (!/^(before|with|runs as|needs|not run): \S|^in the checkout$/.test(note))
      throw new Error(`${paper}:${line}: DP1 a note that nobody knows: ${note}`)
  let runs = all('runs as')[0]
  for (const each of all('with')) {
    const [shown, smaller] = each.split(' = ') as [string, string]
    if (!text.includes(shown)) throw new Error(`${paper}:${line}: DP1 "${shown}" isn't in the block`)
    runs = (runs ?? text).replaceAll(shown, smaller)
  }
  return {
    paper,
    line,
    language: language as Block['language'],
    info,
    text,
    before: all('before'),
    runsAs: runs,
    needs: all('needs').flatMap(each => each.split(', ')),
    place: notes.includes('in the checkout') ? 'checkout' : 'package',
    notRun: all('not run')[0],
  }
}

export function readPaper(root: string, paper: string): Block[] {
  return blocksOf(paper, readFileSync(`${root}/${paper}`, 'utf8'))
}

/** The module that a block of ts is: with those before it that it goes on from. */
export function programOf(block: Block, paper: readonly Block[]): string {
  if (block.info !== 'continues') return block.text
  const before = paper.filter(each => each.language === 'ts' && each.line < block.line).at(-1)
  if (before === undefined) throw new Error(`${block.paper}:${block.line}: there is no block to go on from`)
  return programOf(before, paper) + block.text
}

/** The commands of a block of the checkout, by what they start: `npm run x`, `node x.ts`. */
export function startsOf(block: Block): { readonly kind: 'script' | 'file'; readonly name: string }[] {
  const found: { kind: 'script' | 'file'; name: string }[] = []
  for (const line of block.text.split('\n')) {
    const command = line.replace(/#.*$/, '').trim()
    if (command === '' || /^(npm ci|cd |git clone|npm install)/.test(command)) continue
    const script = /^npm (?:run )?([\w-]+)/.exec(command)?.[1]
    const file = /^(?:npx )?node (?:--\S+ )*"?([\w/.*-]+\.ts)/.exec(command)?.[1]
    if (script !== undefined) found.push({ kind: 'script', name: script })
    else if (file !== undefined) found.push({ kind: 'file', name: file })
    else if (!/^(npx )?faultline /.test(command))
      throw new Error(`${block.paper}:${block.line}: ${command}: expected npm, node or faultline`)
  }
  return found
}
