/** The papers: their blocks are found, their links lead somewhere, what is said twice is said once, and figures are written. */
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { tableOf, withTable } from './measured.ts'
import { blocksOf, programOf, startsOf } from './papers.ts'
import { papers, ROOT } from './project.ts'

test('blocks are found with what their notes say', () => {
  const [ts, sh, yaml] = blocksOf(
    'x.md',
    '# x\n\n<!-- before: touch a -->\n<!-- needs: root, hardware -->\n```ts\nconst a = 1\n```\n\n<!-- with: 1GiB = 4MiB -->\n```sh\nfaultline x 1GiB\n```\n```yaml b.yaml\na: 1\n```\n```text\nnot run\n```\n',
  )
  assert.deepEqual(
    [ts!.line, ts!.before, ts!.needs, ts!.text],
    [5, ['touch a'], ['root', 'hardware'], 'const a = 1\n'],
  )
  assert.equal(sh!.runsAs, 'faultline x 4MiB\n')
  assert.equal(yaml!.info, 'b.yaml')
})

test('DP1: may a block be passed over without a word?', () => {
  assert.throws(() => blocksOf('x.md', '```\nnpm test\n```\n'), /DP1 a block of ""; expected ts, sh, yaml/)
  assert.throws(() => blocksOf('x.md', '```ts\nconst a = 1\n'), /DP1 a block that doesn't end/)
  assert.throws(() => blocksOf('x.md', '<!-- skip -->\n```ts\n```\n'), /DP1 a note that nobody knows: skip/)
  assert.throws(() => blocksOf('x.md', '<!-- not run: -->\n```ts\n```\n'), /DP1 a note that nobody knows/)
  assert.throws(
    () => blocksOf('x.md', '<!-- with: 2 = 3 -->\n```sh\nls\n```\n'),
    /DP1 "2" isn't in the block/,
  )
})

test('DP2: may a command line stand where it is not run?', () => {
  assert.throws(() => blocksOf('x.md', 'Run it:\n\n    npx faultline demo\n'), /x\.md:3: DP2/)
  assert.doesNotThrow(() => blocksOf('x.md', 'A drawing:\n\n    block 0   header\n'))
})

test('a block can go on from the one before it', () => {
  const blocks = blocksOf('x.md', '```ts\nconst a = 1\n```\n```ts continues\nconsole.log(a)\n```\n')
  assert.equal(programOf(blocks[1]!, blocks), 'const a = 1\nconsole.log(a)\n')
})

test('what the commands of the checkout start is known', () => {
  const [block] = blocksOf(
    'x.md',
    '<!-- in the checkout -->\n```sh\nnpm ci\nnpm test\nnpm run kill -- --kills 3 # often\nnode src/a.ts --x\n```\n',
  )
  assert.deepEqual(
    startsOf(block!).map(({ name }) => name),
    ['test', 'kill', 'src/a.ts'],
  )
})

test('every link of a paper leads to something that is there', () => {
  for (const paper of papers()) {
    const text = readFileSync(join(ROOT, paper), 'utf8')
    for (const [, target] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^(https?:|#)/.test(target!)) continue
      const [path, anchor] = target!.split('#') as [string, string | undefined]
      const at = join(ROOT, dirname(paper), path)
      assert.ok(existsSync(at), `${paper}: ${target} leads nowhere`)
      if (anchor !== undefined && !/^L\d/.test(anchor))
        assert.ok(
          anchorsOf(readFileSync(at, 'utf8')).includes(anchor),
          `${paper}: ${target} has no such heading`,
        )
    }
  }
})

test('every script that a paper names exists', () => {
  const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
  for (const paper of papers())
    for (const [, name] of readFileSync(join(ROOT, paper), 'utf8').matchAll(
      /`(?:npm run|npm) ([\w-]+)[^`]*`/g,
    ))
      assert.ok(
        name! in scripts || ['ci', 'install', 'pack', 'pkg', 'publish', 'version'].includes(name!),
        `${paper}: npm run ${name}`,
      )
})

test('figures are written between their marks, and nowhere else', () => {
  const table = tableOf({
    machine: ['a processor'],
    benches: [
      {
        bench: 'resident',
        name: 'loads',
        what: 'a | b',
        ratio: 0.834,
        low: 0.8,
        high: 0.9,
        rounds: 5,
        ours: 12345,
        theirs: 1.5,
        unit: 'ns',
        target: { atMost: 2 },
        meets: false,
      },
    ],
    skipped: [{ name: 'xfs', why: 'it needs root' }],
  })
  assert.match(
    table,
    /\| resident: \*\*loads\*\*: a \\\| b \| 0\.83 \(0\.80 to 0\.90, median of 5\) \| 12,345 against 1\.50 ns \| at most 2: \*\*missed\*\* \|/,
  )
  assert.match(table, /\| xfs \| skipped \| it needs root \|/)
  const paper = 'before\n<!-- bench: begin -->\nold\n<!-- bench: end -->\nafter\n'
  assert.equal(withTable(paper, 'new'), 'before\n<!-- bench: begin -->\nnew\n<!-- bench: end -->\nafter\n')
  assert.throws(() => withTable('nothing', 'new'), /no <!-- bench: begin/)
  assert.doesNotThrow(() => withTable(readFileSync(join(ROOT, 'docs/measured.md'), 'utf8'), table))
})

/** As GitHub makes them of headings. */
function anchorsOf(markdown: string): string[] {
  return [...markdown.matchAll(/^#+ (.*)$/gm)].map(([, heading]) =>
    heading!
      .toLowerCase()
      .replace(/[^\w\- ]/g, '')
      .replaceAll(' ', '-'),
  )
}
