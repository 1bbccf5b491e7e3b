/** The page and the Perfetto file made of an account: whole, bounded, and with the chain in them. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { perfettoTrace, renderPage } from '../report/index.ts'
import { analyze, momentsOf, readScenes, reportOf, timelinesOf, whatIf } from './index.ts'

const thresholdMs = 50
const fixture = (name: string): string => join(import.meta.dirname, 'fixtures', `${name}-6.18.txt.gz`)

async function parts(name: string) {
  const paths = [fixture(name)]
  const account = await analyze(paths, { thresholdMs })
  const scenes = await readScenes(paths, momentsOf(account, thresholdMs), {})
  const answer = whatIf(scenes, { discipline: 'restart', kernelDiscipline: null, thresholdMs })
  const timelines = timelinesOf(scenes)
  return { account, scenes, timelines, whatIf: answer, thresholdMs, madeBy: 'faultline observe analyze' }
}

test('the timeline has the tasks of the chain first, an arrow for each link, and a stall for each inversion', async () => {
  const { timelines } = await parts('page-mkwrite')
  assert.equal(timelines.length, 1, 'two waits with nothing between them are one moment')
  const { rows, arrows, stalls, spans } = timelines[0]!
  assert.deepEqual(
    rows.map(row => row.name),
    ['health-monitor', 'batch-forker', 'batch-writer'],
  )
  assert.deepEqual(
    arrows!.map(({ fromRow, toRow }) => [fromRow, toRow]),
    [
      [0, 1],
      [1, 2],
      [0, 1],
      [1, 2],
    ],
  )
  assert.equal(stalls!.length, 2)
  assert.ok(spans.some(span => span.row === 2 && span.kind === 'io' && span.end - span.start > 4e9))
  assert.ok(spans.some(span => span.row === 1 && span.kind === 'waiting' && span.lock === 'VMA locks'))
})

test('the page says the worst chain first, and holds what if, totals, and what was missing', async () => {
  const report = reportOf(await parts('page-mkwrite'))
  assert.match(report.sentences[0]!, /^health-monitor \(19490\) waited 4\.05 s .*writeback on 7,0/)
  const ids = report.sections.map(section => section.id)
  for (const id of ['chains', 'moment-1', 'what-if', 'causes', 'holders', 'locks'])
    assert.ok(ids.includes(id))
  const page = renderPage(report)
  assert.ok(page.length < 1_000_000)
  assert.ok(page.includes('batch-forker'))
})

test('a trace without inversions gives a page that says so, without a timeline', async () => {
  const report = reportOf(await parts('throttled-read'))
  assert.match(report.sentences[0]!, /^No wait of 50 ms or more/)
  assert.ok(report.sections.every(section => section.kind !== 'timeline'))
  assert.ok(renderPage(report).includes('Holders by time held'))
})

test('the Perfetto file has a track for each task', async () => {
  const { timelines } = await parts('frozen-munmap')
  const text = Buffer.concat([...perfettoTrace(timelines)]).toString('latin1')
  for (const name of ['health: [mon] 1', 'change-vma 7', 'store (frozen)']) assert.ok(text.includes(name))
})
