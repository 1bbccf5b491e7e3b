/**
 * The page in a real browser: desktop and phone, light and dark, with what hands and keys do.
 *
 * Skipped, with the reason, where Chromium is not installed (`apt-get install chromium`).
 */
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { type Browser, chromium, type Page } from 'playwright-core'
import { Prng } from '../base/index.ts'
import { compiledPage } from './compiled.suite.ts'
import type { Span, SpanKind, Timeline } from './model.ts'
import { renderPage } from './page.ts'
import { sampleReport } from './sample.suite.ts'

const CHROMIUM = '/usr/bin/chromium'
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]
const FRAME_MS_MAX = 50

const INVERTED = '[data-timeline="timeline-linux-6.4"]'
const RESTART = '[data-timeline="timeline-restart"]'

const skip = !existsSync(CHROMIUM) && `${CHROMIUM} is not installed`

describe('the page in Chromium', { skip, timeout: 240_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'faultline-page-'))
  const complaints: string[] = []
  let browser: Browser

  before(async () => {
    browser = await chromium.launch({ executablePath: CHROMIUM, args: FLAGS })
  })
  after(async () => {
    await browser.close()
    rmSync(folder, { recursive: true })
  })

  async function open(
    html: string,
    options: {
      width?: number
      colorScheme?: 'light' | 'dark'
      javaScriptEnabled?: boolean
      hasTouch?: boolean
    } = {},
  ): Promise<Page> {
    const { width = 1280, ...rest } = options
    const page = await browser.newPage({ viewport: { width, height: 900 }, reducedMotion: 'reduce', ...rest })
    const file = join(folder, 'report.html')
    writeFileSync(file, html)
    page.on('console', message => complaints.push(message.text()))
    page.on('pageerror', error => complaints.push(error.message))
    page.on('request', request => {
      if (request.url() !== pathToFileURL(file).href && !request.url().startsWith('data:'))
        complaints.push(`request for ${request.url()}`)
    })
    await page.goto(pathToFileURL(file).href)
    // Without a script the browser runs no frames for one to wait for.
    if (options.javaScriptEnabled !== false) await settle(page)
    return page
  }

  async function close(page: Page): Promise<void> {
    await page.close()
    assert.deepEqual(complaints.splice(0), [], 'the browser has nothing to complain about')
  }

  /** Until the frame after the next one: what was asked for has been painted. */
  const settle = (page: Page) =>
    page.evaluate('new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))')
  const dataOf = (page: Page, query: string): Promise<Record<string, string>> =>
    page.evaluate(`({ ...document.querySelector(${JSON.stringify(query)}).dataset })`)
  const windowOf = async (page: Page, query: string) => {
    const { start, end } = await dataOf(page, query)
    return { start: Number(start), end: Number(end), width: Number(end) - Number(start) }
  }
  const boxOf = async (page: Page, query: string) => {
    await page.locator(query).scrollIntoViewIfNeeded()
    return (await page.locator(query).boundingBox())!
  }

  for (const width of [1280, 390])
    for (const colorScheme of ['light', 'dark'] as const)
      test(`${width} px, ${colorScheme}: nothing is wider than the window, and the drawing has colours`, async () => {
        const page = await open(renderPage(sampleReport()), { width, colorScheme })
        assert.equal(await page.evaluate('document.documentElement.scrollWidth'), width)
        const look = (await page.evaluate(`(() => {
          const canvas = document.querySelector('canvas')
          const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height)
          const seen = new Set()
          for (let at = 0; at < data.length; at += 4) seen.add([data[at], data[at + 1], data[at + 2]].join())
          return { paper: getComputedStyle(document.body).backgroundColor, seen: [...seen] }
        })()`)) as { paper: string; seen: string[] }
        assert.equal(look.paper, colorScheme === 'light' ? 'rgb(252, 252, 250)' : 'rgb(21, 24, 28)')
        for (const colour of ['213,94,0', '230,159,0', '86,180,233', '0,158,115'])
          assert.ok(look.seen.includes(colour), `${colour} is on the canvas`)
        const cut = await page.evaluate(`[...document.querySelectorAll('.end, .rule small, .plot-foot small')]
          .filter(label => { const box = label.getBoundingClientRect(); return box.right > innerWidth || box.left < 0 })
          .map(label => label.textContent)`)
        assert.deepEqual(cut, [], 'no label of a chart is cut off')
        const crowded = await page.evaluate(`[...document.querySelectorAll('.plot-foot')].flatMap(foot => {
          const boxes = [...foot.querySelectorAll('small')]
            .map(label => label.getBoundingClientRect())
            .filter(box => box.width > 0)
            .sort((a, b) => a.left - b.left)
          return boxes.slice(1).filter((box, at) => box.left < boxes[at].right)
        }).length`)
        assert.equal(crowded, 0, 'no label of a chart covers another')
        const wrapped = await page.evaluate(`[...document.querySelectorAll('.theme, .zoom button')]
          .filter(button => button.getBoundingClientRect().height > 46)
          .map(button => button.textContent)`)
        assert.deepEqual(wrapped, [], 'no button breaks its word')
        await close(page)
      })

  test('a table of a thousand rows scrolls in its place', async () => {
    const [timeline] = sampleReport().sections.filter(section => section.kind === 'timeline')
    assert.ok(timeline?.kind === 'timeline')
    const rows = Array.from({ length: 1000 }, (_, at) => ({ name: `thread ${at}`, group: 'threads' }))
    const page = await open(renderPage({ ...sampleReport(), sections: [{ ...timeline, rows }] }), {
      width: 390,
    })
    await page.evaluate(`document.querySelectorAll('details').forEach(each => { each.open = true })`)
    const height = (await page.evaluate('document.documentElement.scrollHeight')) as number
    assert.ok(height < 4000, `the page is ${height} px high`)
    await close(page)
  })

  test('the button turns the page, and the drawing with it', async () => {
    const page = await open(renderPage(sampleReport()))
    const paper = () => page.evaluate('getComputedStyle(document.body).backgroundColor')
    const light = await paper()
    assert.equal(await page.textContent('.theme'), 'Dark')
    await page.click('.theme')
    assert.notEqual(await paper(), light)
    assert.equal(await page.textContent('.theme'), 'Light')
    await page.click('.theme')
    assert.equal(await paper(), light)
    await close(page)
  })

  test('without a script: sentences, tables and sums, and no dead controls', async () => {
    const page = await open(renderPage(sampleReport()), { javaScriptEnabled: false })
    assert.ok(await page.isVisible('text=held for write by batch-forker'))
    for (const control of ['.theme', `${INVERTED} .tools`, `${INVERTED} canvas`])
      assert.equal(await page.isVisible(control), false)
    await page.click(`${INVERTED} summary`)
    assert.ok(await page.isVisible(`${INVERTED} table`))
    await page.close()
    complaints.length = 0
  })

  test('wheel, keys, buttons and drag zoom and move, and timelines of one scale move together', async () => {
    const page = await open(renderPage(sampleReport()))
    const box = await boxOf(page, `${INVERTED} canvas`)
    const whole = await windowOf(page, INVERTED)
    const scrolled = await page.evaluate('scrollY')

    await page.mouse.move(box.x + box.width / 2, box.y + 60)
    await page.keyboard.down('Control')
    await page.mouse.wheel(0, -200)
    await page.keyboard.up('Control')
    await settle(page)
    const zoomed = await windowOf(page, INVERTED)
    assert.ok(zoomed.width < whole.width / 2)
    assert.equal(await page.evaluate('scrollY'), scrolled, 'the page stays where it is')
    assert.deepEqual(await windowOf(page, RESTART), zoomed)

    await page.mouse.down()
    await page.mouse.move(box.x + box.width / 2 - 100, box.y + 60, { steps: 4 })
    await page.mouse.up()
    await settle(page)
    const moved = await windowOf(page, INVERTED)
    assert.ok(moved.start > zoomed.start && Math.abs(moved.width - zoomed.width) < 5)

    await page.focus(`${INVERTED} canvas`)
    await page.keyboard.press('ArrowLeft')
    await settle(page)
    assert.ok((await windowOf(page, INVERTED)).start < moved.start)
    await page.keyboard.press('+')
    await settle(page)
    assert.ok((await windowOf(page, INVERTED)).width < moved.width)
    await page.mouse.wheel(0, 300)
    await settle(page)
    await page.click(`${INVERTED} .zoom-all`)
    await settle(page)
    assert.deepEqual(await windowOf(page, INVERTED), whole)

    await page.focus('.theme')
    await page.mouse.move(box.x + box.width / 2, box.y + 60)
    await page.mouse.wheel(0, 120)
    await page.waitForFunction(`scrollY !== ${scrolled}`)
    assert.deepEqual(await windowOf(page, INVERTED), whole, 'a plain wheel scrolls the page')
    await close(page)
  })

  test('filters leave the rows that they name', async () => {
    const page = await open(renderPage(sampleReport()))
    const rows = async () => Number((await dataOf(page, INVERTED)).rows)
    assert.equal(await rows(), 5)
    await page.fill(`${INVERTED} .filter-task`, 'BATCH')
    assert.equal(await rows(), 2)
    await page.fill(`${INVERTED} .filter-task`, 'nobody')
    assert.equal(await rows(), 0)
    await page.fill(`${INVERTED} .filter-task`, '')
    await page.selectOption(`${INVERTED} .filter-lock`, 'mmap_lock')
    assert.equal(await rows(), 3)
    await page.selectOption(`${INVERTED} .filter-lock`, 'vma 7f3a')
    assert.equal(await rows(), 2)
    await close(page)
  })

  test('a click on a wait, a stall’s sentence and the key n follow the chain', async () => {
    const page = await open(renderPage(sampleReport()))
    const chain = async () => (await dataOf(page, INVERTED)).chain
    const full = 'health-monitor < batch-forker < batch-writer'
    const box = await boxOf(page, `${INVERTED} canvas`)
    const { start, width } = await windowOf(page, INVERTED)
    const x = box.x + 168 + ((2e9 - start) / width) * (box.width - 168)

    await page.mouse.move(x, box.y + 70)
    assert.match((await page.textContent(`${INVERTED} .tip`))!, /cmdline waits for mmap_lock, 4\.02 s/)
    await page.mouse.click(x, box.y + 70)
    assert.equal(await chain(), full)
    assert.match(
      (await page.textContent(`${INVERTED} .told`))!,
      /batch-writer waits for writeback of page 217/,
    )
    assert.equal(await page.getAttribute(`${INVERTED} .stall >> nth=0`, 'aria-pressed'), 'true')

    await page.keyboard.press('Escape')
    assert.equal(await chain(), '')
    await page.keyboard.press('n')
    assert.equal(await chain(), 'batch-forker < batch-writer')
    await page.keyboard.press('n')
    assert.equal(await chain(), full)

    await page.fill(`${INVERTED} .filter-task`, 'flusher')
    await page.click(`${INVERTED} .stall >> nth=1`)
    await settle(page)
    assert.equal(await chain(), full)
    const shown = await windowOf(page, INVERTED)
    assert.ok(shown.start < 4.9e9 && shown.end > 8.9e9 && shown.width < 6e9, 'the stall fills the window')
    assert.equal(await page.inputValue(`${INVERTED} .filter-task`), '', 'the filter that hid it is gone')
    await close(page)
  })

  test('fingers: one moves through time, two zoom, a tap follows the chain', async () => {
    const page = await open(renderPage(sampleReport()), { width: 390, hasTouch: true })
    const box = await boxOf(page, `${INVERTED} canvas`)
    const whole = await windowOf(page, INVERTED)
    const touch = await page.context().newCDPSession(page)
    const send = (type: string, ...at: [number, number][]) =>
      touch.send('Input.dispatchTouchEvent', {
        type: type as 'touchStart',
        touchPoints: at.map(([x, y], id) => ({ x: box.x + x, y: box.y + y, id })),
      })
    await send('touchStart', [150, 70], [200, 70])
    for (let step = 1; step <= 8; step++)
      await send('touchMove', [150 - step * 10, 70], [200 + step * 10, 70])
    await send('touchEnd')
    await settle(page)
    const zoomed = await windowOf(page, INVERTED)
    assert.ok(zoomed.width < whole.width / 2, `${zoomed.width} of ${whole.width}`)
    await send('touchStart', [200, 70])
    for (let step = 1; step <= 8; step++) await send('touchMove', [200 - step * 10, 70])
    await send('touchEnd')
    await settle(page)
    assert.ok((await windowOf(page, INVERTED)).start > zoomed.start)
    await page.click(`${INVERTED} .zoom-all`)
    await page.touchscreen.tap(box.x + 150, (await boxOf(page, `${INVERTED} canvas`)).y + 85)
    assert.equal((await dataOf(page, INVERTED)).chain, 'health-monitor < batch-forker < batch-writer')
    await close(page)
  })

  test('the page of the compiled package works the same', { timeout: 120_000 }, async () => {
    const page = await open(compiledPage(sampleReport()))
    await page.click(`${INVERTED} .stall >> nth=0`)
    assert.equal((await dataOf(page, INVERTED)).chain, 'health-monitor < batch-forker < batch-writer')
    await close(page)
  })

  test('a million spans move at an interactive cost', { timeout: 120_000 }, async t => {
    const page = await open(renderPage({ ...sampleReport(), sections: [crowd(1_000_000)] }))
    const query = '[data-timeline="crowd"]'
    await page.focus(`${query} canvas`)
    const frames = (await page.evaluate(`(async () => {
      const ask = requestAnimationFrame
      const costs = []
      window.requestAnimationFrame = call => ask(() => {
        const before = performance.now()
        call()
        costs.push(performance.now() - before)
      })
      const canvas = document.querySelector('${query} canvas')
      const keys = ['+', ...Array(10).fill('ArrowRight'), ...Array(12).fill('+'), ...Array(10).fill('ArrowLeft'), 'Home']
      for (const key of keys) {
        canvas.dispatchEvent(new KeyboardEvent('keydown', { key }))
        await new Promise(done => ask(() => ask(done)))
      }
      return costs
    })()`)) as number[]
    const sorted = frames.sort((a, b) => a - b)
    const median = sorted[sorted.length >> 1]!
    t.diagnostic(
      `${frames.length} frames: median ${median.toFixed(1)} ms, longest ${sorted.at(-1)!.toFixed(1)} ms`,
    )
    assert.ok(frames.length >= 30)
    assert.ok(median < FRAME_MS_MAX, `median frame ${median} ms`)
    await close(page)
  })
})

/** So many spans on 40 tasks, with waits among them. */
function crowd(count: number): Timeline {
  const tasks = 40
  const chance = new Prng(1)
  const kinds: readonly SpanKind[] = ['running', 'io', 'waiting', 'sleeping', 'holding']
  const clocks = new Float64Array(tasks)
  const spans = Array.from({ length: count }, (_, at): Span => {
    const row = at % tasks
    const start = clocks[row]! + chance.below(40_000)
    const end = start + chance.below(400_000)
    clocks[row] = end
    const kind = kinds[chance.below(kinds.length)]!
    return { row, start, end, kind, label: `${kind} ${chance.below(50)}`, lock: `lock ${chance.below(4)}` }
  })
  const rows = Array.from({ length: tasks }, (_, at) => ({ name: `task ${at}`, group: `group ${at >> 3}` }))
  return { kind: 'timeline', id: 'crowd', title: 'A crowd', rows, spans }
}
