/** The page of a comparison, and its trace: as data, and in a real browser at two widths, light and dark. */
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { type Browser, chromium } from 'playwright-core'
import { perfettoTrace, renderPage } from '../report/index.ts'
import {
  type Comparison,
  compare,
  compareReport,
  timelinesOf,
  type Workload,
  workloadNamed,
} from './index.ts'

const CHROMIUM = '/usr/bin/chromium'
const FLAGS = ['--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking']
const skip = !existsSync(CHROMIUM) && `${CHROMIUM} is not installed`

/** The experiment, and threads for a moment: a small comparison with every section of the page. */
function workloads(): Workload[] {
  return [
    workloadNamed('page-mkwrite-fork')!,
    { ...workloadNamed('threads-forks')!, seconds: 0.3 },
    { ...workloadNamed('uncontended')!, seconds: 0.1 },
  ]
}

describe('the page of lab compare', () => {
  let comparison: Comparison
  let html = ''

  before(async () => {
    comparison = await compare({
      workloads: workloads(),
      disciplines: ['linux-6.4', 'restart'],
      seed: 1,
      signal: new AbortController().signal,
      onRun: () => {},
    })
    html = renderPage(compareReport(comparison, 'faultline lab compare'))
  })

  test('says first what it shows, and its heat map leads to the sections', () => {
    const { sentences, sections } = compareReport(comparison, 'faultline lab compare')
    assert.match(
      sentences[0]!,
      /4\.01 s, in `page-mkwrite-fork` under `linux-6\.4`; under `restart` it did not hang there, and for 13 ms/,
    )
    const [heatmap] = sections
    assert.ok(heatmap?.kind === 'heatmap')
    const ids = new Set(sections.map(({ id }) => id))
    for (const { cells } of heatmap.rows) for (const cell of cells) assert.ok(ids.has(cell!.link!))
    assert.ok(ids.has('argument') && ids.has('cost') && ids.has('page-mkwrite-fork-linux-6.4'))
  })

  test('tells the chain of the longest stall', () => {
    const timeline = comparison.timelines.get('page-mkwrite-fork')![0]!
    assert.match(
      timeline.stalls![0]!.sentence,
      /^4010 ms: monitor waits for mmap_lock .* behind mapper, .* behind batch, .* writeback/,
    )
  })

  test('makes a trace of the timelines', () => {
    const timelines = timelinesOf(comparison)
    assert.equal(timelines.length, 4)
    const bytes = Buffer.concat([...perfettoTrace(timelines)])
    assert.ok(bytes.length > 1000 && bytes.includes('monitor') && bytes.includes('mapper'))
  })

  describe('in Chromium', { skip, timeout: 60_000 }, () => {
    const folder = mkdtempSync(join(tmpdir(), 'faultline-compare-'))
    let browser: Browser
    before(async () => {
      browser = await chromium.launch({ executablePath: CHROMIUM, args: FLAGS })
    })
    after(async () => {
      await browser.close()
      rmSync(folder, { recursive: true })
    })

    for (const width of [1280, 390])
      for (const colorScheme of ['light', 'dark'] as const)
        test(`${width} px, ${colorScheme}`, async () => {
          const page = await browser.newPage({ viewport: { width, height: 900 }, colorScheme })
          const complaints: string[] = []
          page.on('console', message => complaints.push(message.text()))
          page.on('pageerror', error => complaints.push(error.message))
          const file = join(folder, 'compare.html')
          writeFileSync(file, html)
          await page.goto(pathToFileURL(file).href)
          assert.equal(await page.evaluate('document.documentElement.scrollWidth'), width)
          await page.click('#monitor a[href="#threads-forks"] >> nth=0')
          assert.match(page.url(), /#threads-forks$/)
          await page.click('[data-timeline="page-mkwrite-fork-linux-6.4"] .stall >> nth=0')
          const chain = await page.getAttribute('[data-timeline="page-mkwrite-fork-linux-6.4"]', 'data-chain')
          assert.equal(chain, 'monitor < mapper < batch')
          await page.close()
          assert.deepEqual(complaints, [])
        })
  })
})
