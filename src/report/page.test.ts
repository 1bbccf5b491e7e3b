/** The page as text: its structure, its words without a script, and names that try to break out of it. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { followChain, tellChain } from './client/chain.ts'
import { show } from './client/quantity.ts'
import { firstAbove, nextWait, spanWithin, unpackTrack } from './client/track.ts'
import { tickStep, tickText } from './client/view.ts'
import { compiledPage } from './compiled.suite.ts'
import type { Report, Section, Span, Timeline } from './model.ts'
import { packTimeline } from './pack.ts'
import { renderPage } from './page.ts'
import { inversion, sampleReport } from './sample.suite.ts'
import { scriptText } from './script.ts'
import { heatScale } from './table.ts'

const reportOf = (...sections: Section[]): Report => ({
  title: 'T',
  sentences: ['S'],
  madeBy: 'cmd',
  sections,
})

/** The page's elements in order, without words, numbers and data: what a change of structure changes. */
function structureOf(page: string): string[] {
  const visible = page.replace(/<(script|style)\b[\s\S]*?<\/\1>/g, '<$1>')
  const kept =
    /^<(header|main|footer|nav|section|h1|h2|table|thead|tbody|canvas|script|style|details|ol|svg)\b/
  return [...visible.matchAll(/<[a-z][^>]*>/g)]
    .map(([tag]) => tag)
    .filter(tag => kept.test(tag))
    .map(tag => /^<(\w+)/.exec(tag)![1]! + (/ id="([^"]*)"/.exec(tag)?.[0] ?? ''))
}

test('the structure: the sentence, then the sections in their order, then how it was made', () => {
  assert.deepEqual(structureOf(renderPage(sampleReport())).join('\n').split('\nsection'), [
    'style\nheader\nh1\nnav\nmain id="content"',
    ' id="disciplines"\nh2 id="disciplines-title"\ntable\nthead\ntbody',
    ' id="longest"\nh2 id="longest-title"',
    ' id="latency"\nh2 id="latency-title"\nsvg\ndetails\ntable\nthead\ntbody',
    ' id="timeline-linux-6.4"\nh2 id="timeline-linux-6.4-title"\ncanvas\nol\ndetails\ntable\nthead\ntbody\nscript',
    ' id="timeline-restart"\nh2 id="timeline-restart-title"\ncanvas\ndetails\ntable\nthead\ntbody\nscript',
    ' id="chains"\nh2 id="chains-title"\nol',
    ' id="catalogue"\nh2 id="catalogue-title"\ntable\nthead\ntbody',
    ' id="how"\nh2 id="how-title"\nfooter\nscript',
  ])
})

test('every word is there without a script', () => {
  const words = renderPage(sampleReport()).replace(/<script[\s\S]*?<\/script>/g, '')
  assert.match(words, /Under <code>linux-6\.4<\/code> the health monitor hung for 4\.05 s/)
  assert.match(words, /health-monitor waited 4020 ms for mmap_lock, held for write by batch-forker/)
  assert.match(words, /npx faultline demo --seconds 9/)
  assert.match(words, /waiting for a lock<\/th>/)
})

test('every function of client/ is in the script', () => {
  const folder = join(import.meta.dirname, 'client')
  const script = scriptText()
  for (const file of readdirSync(folder)) {
    const text = readFileSync(join(folder, file), 'utf8')
    assert.doesNotMatch(text, /^(const|let|class|enum) |^export (const|let|class|enum) /m, `TK1 ${file}`)
    for (const [, name] of text.matchAll(/^(?:export )?function (\w+)/gm))
      assert.ok(script.includes(`function ${name}(`), `JS1 ${name} of ${file}`)
  }
})

test('the page names no address and loads nothing', () => {
  const page = renderPage(sampleReport())
  assert.doesNotMatch(page, /https?:|\bsrc=|@import|url\(|\bfetch\b|import\(/)
  assert.match(page.slice(0, 600), /default-src &#39;none&#39;/)
})

test('waits stand in order of their length, and keep their numbers', () => {
  const stalls = [20, 300, 100].map((length, at) => ({
    row: 0,
    start: 10 * at,
    end: 10 * at + length,
    sentence: `waited ${length}`,
  }))
  const timeline: Timeline = {
    kind: 'timeline',
    id: 't',
    title: 't',
    rows: [{ name: 'r', group: '' }],
    spans: [{ row: 0, start: 0, end: 400, kind: 'waiting', label: 'w' }],
    arrows: [],
    stalls,
  }
  const page = renderPage({ title: 't', sentences: ['s'], madeBy: 'm', sections: [timeline] })
  const shown = [...page.matchAll(/data-stall="(\d)">waited (\d+)</g)].map(([, at, length]) => [at, length])
  assert.deepEqual(shown, [
    ['1', '300'],
    ['2', '100'],
    ['0', '20'],
  ])
})

const HOSTILE = [
  '</script><script>alert(1)</script>',
  '<img src=x onerror=alert(1)>',
  '" onmouseover="alert(1)',
  "' & <!-- ]]>",
  '\u2028\u2029\u0000\ud800 \u202ertl',
  '`<b>`',
]

test('what if names are made to break out of the page?', () => {
  const evil = HOSTILE.join(' ')
  const timeline: Timeline = {
    kind: 'timeline',
    id: evil,
    title: evil,
    lead: evil,
    rows: [{ name: evil, group: evil }],
    spans: [{ row: 0, start: 0, end: 5, kind: 'waiting', label: evil, lock: evil }],
    arrows: [{ time: 1, fromRow: 0, toRow: 0, label: evil }],
    markers: [{ time: 1, label: evil }],
    counters: [{ name: evil, unit: evil, points: [{ time: 0, value: 1 }] }],
    stalls: [{ row: 0, start: 0, end: 5, sentence: evil }],
    sharedScale: evil,
  }
  const page = renderPage({
    title: evil,
    sentences: [evil, evil],
    madeBy: evil,
    sections: [
      timeline,
      { kind: 'text', id: 'text', title: evil, paragraphs: [evil] },
      { kind: 'chains', id: 'chains', title: evil, chains: [{ sentence: evil, link: evil }] },
      {
        kind: 'table',
        id: 'table',
        title: evil,
        columns: [{ name: evil, group: evil, unit: evil, align: 'left', better: 'low' }],
        rows: [[evil]],
      },
      { kind: 'bars', id: 'bars', title: evil, unit: evil, scale: 'log', bars: [{ label: evil, value: 0 }] },
      {
        kind: 'latency',
        id: 'latency',
        title: evil,
        series: [{ name: evil, points: [{ quantile: 1, ns: 5 }] }],
      },
      {
        kind: 'heatmap',
        id: 'heat',
        title: evil,
        rowsAre: evil,
        columnsAre: evil,
        unit: evil,
        scale: 'log',
        columns: [evil],
        rows: [{ name: evil, cells: [{ value: 0, label: evil, link: evil }] }],
      },
    ],
  })
  assert.doesNotMatch(page, /<img|<b>|<script>alert| onmouseover="/)
  assert.equal(page.match(/<script\b/g)!.length, 2)
  assert.equal(page.match(/<\/script>/g)!.length, 2)
  const data = /<script type="application\/json"[^>]*>([\s\S]*?)<\/script>/.exec(page)![1]!
  assert.deepEqual(JSON.parse(data), packTimeline(timeline))
})

test('what if a report is empty, or its sections are?', () => {
  const empty = { title: 'T' } as const
  renderPage({ title: '', sentences: [], madeBy: '', sections: [] })
  renderPage(
    reportOf(
      { kind: 'text', id: 'a', ...empty, paragraphs: [] },
      { kind: 'table', id: 'b', ...empty, columns: [], rows: [] },
      { kind: 'bars', id: 'c', ...empty, unit: 'ns', scale: 'linear', bars: [] },
      { kind: 'latency', id: 'd', ...empty, series: [{ name: 'none', points: [] }] },
      {
        kind: 'heatmap',
        id: 'e',
        ...empty,
        rowsAre: '',
        columnsAre: '',
        unit: '',
        scale: 'log',
        columns: [],
        rows: [],
      },
      { kind: 'chains', id: 'f', ...empty, chains: [] },
      { kind: 'timeline', id: 'g', ...empty, rows: [], spans: [] },
    ),
  )
})

test('what if a section has no name of its own?', () => {
  const text = { kind: 'text', id: 'same', title: 'T', paragraphs: [] } as const
  assert.throws(() => renderPage(reportOf(text, text)), /MR4/)
  assert.throws(() => renderPage(reportOf({ ...text, id: '' })), /MR4/)
})

test('the best and the worst of a column are marked, in words too; what hardly differs is not', () => {
  const page = renderPage(
    reportOf({
      kind: 'table',
      id: 't',
      title: 'T',
      columns: [
        { name: 'n', align: 'left' },
        { name: 'wait', align: 'right', better: 'low' },
        { name: 'speed', align: 'right', better: 'high' },
      ],
      rows: [
        ['a', 1, 100],
        ['b', 50, 99],
        ['c', null, 98],
      ],
    }),
  )
  assert.equal(page.match(/\(best\)/g)!.length, 1)
  assert.equal(page.match(/\(worst\)/g)!.length, 1)
  assert.match(page, /<td class="right best"><span>1<\/span>/)
  assert.match(page, /not measured/)
})

test('numbers are shown with three digits that matter', () => {
  const shown = [
    [0, 'ns', '0 ns'],
    [850, 'ns', '850 ns'],
    [999.7, 'ns', '1.00 µs'],
    [310_400, 'ns', '310 µs'],
    [4.046088e9, 'ns', '4.05 s'],
    [3e9, 'ns', '3 s'],
    [4 * 2 ** 20, 'B/s', '4 MiB/s'],
    [24310, '', '24,310'],
    [98.26, '%', '98.3%'],
    [13.04, 'x', '13.0×'],
  ] as const
  for (const [value, unit, text] of shown) assert.equal(show(value, unit), text)
})

test('an axis writes its times as finely as its steps', () => {
  assert.equal(tickStep(9e9, 9), 1e9)
  assert.equal(tickText(4e9, 1e9), '4 s')
  assert.equal(tickText(4.05e9, 5e7), '4.05 s')
  assert.equal(tickText(4_051_200_000, 100_000), '4,051.2 ms')
  assert.equal(tickText(4_051_200_020, 20), '4,051,200.02 µs')
})

test('a heat map places values between its least and its most', () => {
  const heat = heatScale([10, 1000, 0], 'log')
  assert.deepEqual(
    [0, 10, 100, 1000].map(value => Number(heat(value).toFixed(9))),
    [0, 0, 0.5, 1],
  )
  assert.deepEqual([5].map(heatScale([5, 5], 'linear')), [0])
})

test('any spans at all come back from the page’s data, and lanes never overlap', () => {
  const kinds = ['running', 'holding', 'waiting', 'io', 'sleeping'] as const
  const span = fc
    .record({ row: fc.nat(3), start: fc.nat(50), length: fc.nat(9), kind: fc.constantFrom(...kinds) })
    .map(
      ({ row, start, length, kind }): Span => ({
        row,
        start: 1000 + start,
        end: 1000 + start + length,
        kind,
        label: kind,
      }),
    )
  fc.assert(
    fc.property(fc.array(span, { maxLength: 60, size: 'max' }), spans => {
      const groups = ['a', 'b', 'a', 'c']
      const rows = groups.map((group, at) => ({ name: `task ${at}`, group }))
      const track = unpackTrack(packTimeline({ kind: 'timeline', id: 't', title: 't', rows, spans }))
      const first = spans.reduce((least, { start }) => Math.min(least, start), Number.POSITIVE_INFINITY)
      const back = track.rows.flatMap(row =>
        row.lanes.flatMap(({ starts, ends, styles, holds }) =>
          [...starts].map((start, at) => {
            assert.ok(at === 0 || ends[at - 1]! <= start, 'K1')
            assert.equal(track.styles[styles[at]!]!.kind === 'holding', holds)
            return `${row.name} ${first + start} ${first + ends[at]!} ${track.styles[styles[at]!]!.label}`
          }),
        ),
      )
      const asked = spans.map(({ row, start, end, label }) => `task ${row} ${start} ${end} ${label}`)
      assert.deepEqual(back.sort(), asked.sort())
      assert.deepEqual(
        track.rows.map(({ group }) => group),
        ['a', 'a', 'b', 'c'],
      )
    }),
  )
})

test('a search by halves finds what a look at every span finds', () => {
  const gaps = fc.array(fc.tuple(fc.nat(4), fc.nat(4)), { maxLength: 30, size: 'max' })
  fc.assert(
    fc.property(gaps, fc.nat(100), fc.nat(9), (pieces, from, length) => {
      let time = 0
      const spans = pieces.map(([gap, size]): Span => {
        const start = time + gap
        time = start + size
        return { row: 0, start, end: time, kind: 'running', label: '' }
      })
      const rows = [{ name: 'a', group: '' }]
      const timeline: Timeline = {
        kind: 'timeline',
        id: 't',
        title: 't',
        rows,
        spans,
        markers: [{ time: 0, label: '' }],
      }
      const lane = unpackTrack(packTimeline(timeline)).rows[0]!.lanes[0]
      if (lane === undefined) return
      const brute = spans.findIndex(({ end }) => end > from)
      assert.equal(firstAbove(lane.ends, from), brute === -1 ? spans.length : brute)
      const found = spanWithin(lane, from, from + length)
      const covers = spans.map(({ start, end }) =>
        end > from && start <= from + length ? Math.min(end, from + length) - Math.max(start, from) : -1,
      )
      assert.equal(found === -1 ? -1 : covers[found], Math.max(-1, ...covers))
    }),
  )
})

test('a chain is followed from the waiter to what the last one did', () => {
  const track = unpackTrack(packTimeline(inversion('linux-6.4', {})))
  const wait = nextWait(track, -1, row => track.rows[row]!.name === 'health-monitor')!
  const chain = followChain(track, wait)
  assert.deepEqual(
    tellChain(track, chain).map(({ who, what }) => `${who}: ${what}`),
    [
      'health-monitor: cmdline waits for mmap_lock, 4.02 s; mmap_lock held for write, by:',
      'batch-forker: dup_mmap waits for the VMA (vma 7f3a), 4.02 s; VMA lock held for read, by:',
      'batch-writer: waits for writeback of page 217, 4.02 s',
    ],
  )
})

test('what if two tasks wait for each other?', () => {
  const span = (row: number): Span => ({ row, start: 0, end: 9, kind: 'waiting', label: 'w', lock: 'l' })
  const timeline: Timeline = {
    kind: 'timeline',
    id: 't',
    title: 't',
    rows: [
      { name: 'a', group: '' },
      { name: 'b', group: '' },
    ],
    spans: [span(0), span(1)],
    arrows: [
      { time: 0, fromRow: 0, toRow: 1, label: 'x' },
      { time: 0, fromRow: 1, toRow: 0, label: 'y' },
    ],
  }
  const track = unpackTrack(packTimeline(timeline))
  assert.equal(followChain(track, { row: 0, lane: 0, at: 0 }).length, 2)
})

test('compiled JavaScript makes the same page', { timeout: 120_000 }, () => {
  const compiled = compiledPage(sampleReport())
  const strip = (page: string) => page.replace(/<script>[\s\S]*?<\/script>|sha256-[^&]*/g, '')
  assert.ok(
    strip(compiled) === strip(renderPage(sampleReport())),
    'but for the script the pages are the same',
  )
  assert.match(/<script>([\s\S]*?)<\/script>/.exec(compiled)![1]!, /function startPage\(browser\)/)
})
