/**
 * faultline.html in a real browser: by keyboard, at two widths, in light and dark, with forms of every kind, and never a request.
 *
 * Skipped, with the reason, where Chromium is not installed (`apt-get install chromium`).
 */
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { gunzipSync, zstdCompressSync } from 'node:zlib'
import { type Browser, chromium, type Page } from 'playwright-core'
import { pageText } from '../../scripts/page.ts'
import { analyze } from '../observe/index.ts'
import { writePerfData } from '../trace/perf-data.fixture.ts'
import { servePage } from './index.ts'

const CHROMIUM = '/usr/bin/chromium'
const FLAGS = ['--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking']
const FIXTURES = join(import.meta.dirname, '../observe/fixtures')
const skip = !existsSync(CHROMIUM) && `${CHROMIUM} is not installed`

import { SAME } from '../observe/forms.fixture.ts'
import { type Recorded, version6, version7 } from '../trace/trace-dat.fixture.ts'

const fixture = (name: string): Buffer => readFileSync(join(FIXTURES, name))
const text = (name: string): string => gunzipSync(fixture(name)).toString('latin1')

describe('faultline.html in Chromium', { skip, timeout: 240_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'faultline-html-'))
  const file = join(folder, 'faultline.html')
  const complaints: string[] = []
  let browser: Browser

  before(async () => {
    writeFileSync(file, await pageText())
    browser = await chromium.launch({ executablePath: CHROMIUM, args: FLAGS })
  })
  after(async () => {
    await browser.close()
    rmSync(folder, { recursive: true })
  })

  async function open(
    fragment = '',
    options: { width?: number; colorScheme?: 'light' | 'dark'; address?: string } = {},
  ): Promise<Page> {
    const { width = 1280, colorScheme = 'light', address = pathToFileURL(file).href } = options
    const page = await browser.newPage({
      viewport: { width, height: 900 },
      colorScheme,
      reducedMotion: 'reduce',
    })
    page.on('console', message => complaints.push(message.text()))
    page.on('pageerror', error => complaints.push(error.message))
    page.on('request', request => {
      const url = request.url()
      if (!url.startsWith(address) && !/^(blob|data):/.test(url)) complaints.push(`request for ${url}`)
    })
    await page.goto(`${address}${fragment}`)
    await page.waitForSelector('html[data-ready=yes]')
    return page
  }

  async function close(page: Page): Promise<void> {
    await page.close()
    assert.deepEqual(complaints.splice(0), [], 'the browser has nothing to complain about')
  }

  const give = async (page: Page, name: string, buffer: Buffer): Promise<void> => {
    await page.setInputFiles('#traces-files', { name, mimeType: 'application/octet-stream', buffer })
    await page.waitForSelector(
      `#traces-read-of:has-text(${JSON.stringify(`${name}:`)}), #traces-trouble:not(:empty)`,
    )
  }
  const says = async (page: Page): Promise<string> =>
    `${await page.textContent('#traces-trouble')}${await page.textContent('#traces-content')}`
  const downloaded = async (page: Page, query: string): Promise<Buffer> => {
    const [download] = await Promise.all([page.waitForEvent('download'), page.click(query)])
    return readFileSync((await download.path())!)
  }

  const CHAIN = /health: \[mon\] 1 .*held by change-vma 7 .*held by store \(frozen\)/

  for (const width of [1280, 390])
    for (const colorScheme of ['light', 'dark'] as const)
      test(`${width} px, ${colorScheme}: an example is told, drawn, and nothing is wider than the window`, async () => {
        const page = await open('#traces?example=fork+behind+a+store', { width, colorScheme })
        await page.waitForSelector('#traces-result:not([hidden]) canvas')
        assert.match(await says(page), /^health-monitor \(19490\) waited 4\.05 s for mmap_lock/)
        assert.equal(await page.evaluate('document.documentElement.scrollWidth'), width)
        const paper = await page.evaluate('getComputedStyle(document.body).backgroundColor')
        assert.equal(paper, colorScheme === 'light' ? 'rgb(252, 252, 250)' : 'rgb(21, 24, 28)')
        await page.click('#tab-lab')
        assert.equal(await page.evaluate('document.documentElement.scrollWidth'), width)
        await close(page)
      })

  test('its account is that of the command line, to the byte, and the report it gives is a page of its own', async () => {
    const page = await open()
    await give(page, 'trace.txt.gz', fixture('frozen-munmap-6.18.txt.gz'))
    assert.match(await says(page), CHAIN)
    const account = JSON.parse((await downloaded(page, '#traces-json')).toString())
    const expected = await analyze([join(FIXTURES, 'frozen-munmap-6.18.txt.gz')], { thresholdMs: 50 })
    const plain = JSON.parse(JSON.stringify(expected))
    assert.deepEqual({ ...account, files: 0 }, { ...plain, files: 0 })
    const report = (await downloaded(page, '#traces-report')).toString()
    const own = join(folder, 'report.html')
    writeFileSync(own, report)
    const alone = await browser.newPage()
    alone.on('console', message => complaints.push(message.text()))
    await alone.goto(pathToFileURL(own).href)
    await alone.click('.stall >> nth=0')
    assert.match((await alone.textContent('body'))!, CHAIN)
    await alone.close()
    await close(page)
  })

  test('forms: text of every habit, packed or not, trace.dat and perf.data of either end', {
    timeout: 200_000,
  }, async () => {
    const page = await open()
    const tracefs = text('frozen-munmap-6.18.txt.gz')
    const forms: [string, Buffer][] = SAME.filter(
      ({ of, clockHz }) => of.includes('tracefs') && clockHz === undefined,
    ).map(({ name, write }) => [name, write(tracefs)])
    const stored = JSON.parse(text('frozen-munmap-raw-6.18.json.gz'))
    const recorded: Recorded = {
      ...stored,
      cpus: stored.cpus.map((pages: string) => Buffer.from(pages, 'base64')),
    }
    forms.push(
      ['perf script', fixture('frozen-munmap-perf.txt.gz')],
      ['trace-cmd report', fixture('frozen-munmap-trace-cmd.txt.gz')],
      ['zstd', zstdCompressSync(tracefs)],
      ['trace.dat 6', version6(recorded)],
      ['trace.dat 7', version7(recorded, 'none')],
      ['trace.dat 7, zstd', version7(recorded, 'zstd')],
      ['trace.dat 7 within zstd', zstdCompressSync(version7(recorded, 'zstd'))],
    )
    assert.ok(forms.length > 15, `${forms.length} forms`)
    for (const [name, bytes] of forms) {
      await give(page, name, bytes)
      assert.match(await says(page), CHAIN, name)
    }
    await page.click('summary >> text=How it is read')
    const symbols = Buffer.from('ffffffff81000000 T _text\nffffffff81000300 T dup_mmap\n')
    await page.setInputFiles('#traces-kallsyms', {
      name: 'kallsyms',
      mimeType: 'text/plain',
      buffer: symbols,
    })
    for (const order of ['little', 'big'] as const) {
      await give(page, `${order}.perf.data`, writePerfData(order, 'pipe'))
      assert.match(await says(page), /waited 900\.\d+ ms for mmap_lock/, order)
    }
    await close(page)
  })

  test('what can’t be read is said in a sentence, and a dump of a hung machine is told as a state', async () => {
    const page = await open()
    await give(page, 'notes.txt', Buffer.from('nothing of a kernel\n'.repeat(20)))
    assert.match(await says(page), /^notes\.txt has no events: none of its lines is one; expected /)
    await page.fill('#traces-text', fixture('btrfs-munmap-stacks.txt').toString())
    await page.click('#traces-read')
    await page.waitForSelector('#traces-result:not([hidden])')
    assert.match(await says(page), /w-munmap/)
    assert.equal(await page.isDisabled('#traces-perfetto'), true)
    await close(page)
  })

  test('by keyboard alone: an example, a discipline, the lab, a counterexample step by step', async () => {
    const page = await open()
    const tabTo = async (query: string) => {
      for (let presses = 0; presses < 80; presses++) {
        if (await page.evaluate(`document.activeElement?.matches(${JSON.stringify(query)})`)) return
        await page.keyboard.press('Tab')
      }
      assert.fail(`the keyboard does not reach ${query}`)
    }
    await tabTo('#traces-examples button')
    await page.keyboard.press('Enter')
    await page.waitForSelector('#traces-result:not([hidden])')
    await tabTo('#traces-discipline')
    await page.keyboard.type('restart')
    await page.waitForSelector('#traces-content #what-if')
    assert.match(await says(page), /Under restart the wait of health-monitor would have been 0\.202 ms/)
    assert.match(page.url(), /#traces\?example=fork\+behind\+a\+store&discipline=restart$/)
    await page.focus('#tab-traces')
    await page.keyboard.press('ArrowRight')
    assert.equal(await page.isVisible('#lab'), true)
    await tabTo('#lab-scenario')
    await page.keyboard.type('mkwrite-fork-proc')
    await tabTo('#lab-discipline')
    await page.keyboard.type('linux-6.4')
    await tabTo('#lab-explore')
    await page.keyboard.press('Enter')
    await page.waitForSelector('#lab-explored table')
    await tabTo('#lab-explored button')
    await page.keyboard.press('Enter')
    await page.waitForSelector('#lab-replay:not([hidden])')
    await page.keyboard.press('ArrowDown')
    await page.keyboard.press('ArrowDown')
    assert.match(
      (await page.textContent('#lab-steps [aria-current=true]'))!,
      /^fork waits for VMA at page 16 of app without readers/,
    )
    const address = page.url()
    assert.match(address, /#lab\?scenario=mkwrite-fork-proc&discipline=linux-6\.4&schedule=/)
    await close(page)
    const again = await open(address.slice(address.indexOf('#')))
    await again.waitForSelector('#lab-replay:not([hidden])')
    await close(again)
  })

  test('a scenario is edited, and what is wrong in it is said with its line', async () => {
    const page = await open('#lab?scenario=two-faults')
    const yaml = await page.inputValue('#lab-yaml')
    await page.fill('#lab-yaml', yaml.replace('load data 0', 'laod data 0'))
    await page.click('#lab-explore')
    await page.waitForSelector('#lab-trouble:not(:empty)')
    assert.match((await page.textContent('#lab-trouble'))!, /^scenario\.yaml:\d+:\d+: `laod` is no verb/)
    await page.fill('#lab-yaml', yaml.replace('load data 0', 'fork'))
    await page.selectOption('#lab-discipline', 'restart')
    await page.click('#lab-explore')
    await page.waitForSelector('#lab-explored table')
    await close(page)
  })

  test('disciplines are compared side by side', { timeout: 120_000 }, async () => {
    const page = await open('#lab?workload=page-mkwrite-anon')
    for (const box of await page.$$('#lab-compared input'))
      if (!['linux-5.1', 'restart'].includes((await box.getAttribute('value'))!)) await box.uncheck()
    await page.click('#lab-compare')
    await page.waitForSelector('#lab-result:not([hidden])', { timeout: 100_000 })
    assert.match((await page.textContent('#lab-content'))!, /4\.01 s/)
    assert.equal(await page.evaluate('document.documentElement.scrollWidth'), 1280)
    await close(page)
  })

  test('a long trace is read in pieces while the page paints, and can be cancelled', async () => {
    const page = await open()
    const long = join(folder, 'long.txt')
    writeFileSync(long, repeated(text('frozen-munmap-6.18.txt.gz'), 40))
    await page.evaluate(`(() => {
      window.seen = { frames: 0, parts: new Set() }
      const look = () => {
        if (!document.getElementById('traces-going').hidden) {
          window.seen.frames++
          window.seen.parts.add(document.getElementById('traces-bar').value)
        }
        requestAnimationFrame(look)
      }
      look()
    })()`)
    await page.setInputFiles('#traces-files', long)
    await page.waitForSelector('#traces-result:not([hidden])', { timeout: 100_000 })
    assert.match(await says(page), CHAIN)
    const { frames, parts } = (await page.evaluate(
      '({ frames: window.seen.frames, parts: [...window.seen.parts] })',
    )) as { frames: number; parts: number[] }
    assert.ok(frames > 10 && parts.length > 5, `${frames} frames, ${parts.length} steps`)
    assert.deepEqual(
      parts.filter(part => part > 1),
      [],
    )
    await page.setInputFiles('#traces-files', [])
    await page.setInputFiles('#traces-files', long)
    await page.waitForSelector('#traces-going:not([hidden])')
    await page.click('#traces-cancel')
    assert.equal(await page.textContent('#traces-trouble'), 'Cancelled.')
    await give(page, 'after.txt.gz', fixture('frozen-munmap-6.18.txt.gz'))
    assert.match(await says(page), CHAIN)
    await close(page)
  })

  test('the worst moments are handed to Perfetto when it says that it listens', async () => {
    const page = await open('#traces?example=a+frozen+file+system')
    await page.waitForSelector('#traces-result:not([hidden])')
    await page.evaluate(`(() => {
      const frame = document.createElement('iframe')
      document.body.append(frame)
      const tab = frame.contentWindow
      window.posted = []
      tab.postMessage = (message, origin) => {
        window.posted.push([message === 'PING' ? 'PING' : message.perfetto.buffer.byteLength, origin])
        if (message !== 'PING') document.documentElement.dataset.posted = 'yes'
        else window.dispatchEvent(new MessageEvent('message', { data: 'PONG', source: tab }))
      }
      window.open = address => { window.opened = address; return tab }
    })()`)
    await page.click('#traces-perfetto')
    await page.waitForSelector('html[data-posted=yes]')
    const posted = (await page.evaluate('window.posted')) as [string | number, string][]
    assert.equal(posted[0]![0], 'PING')
    assert.ok(posted.every(([, origin]) => origin === 'https://ui.perfetto.dev'))
    const trace = await downloaded(page, '#traces-pftrace')
    assert.equal(posted.at(-1)![0], trace.length)
    await close(page)
  })

  test('served by observe open it reads the files it was given, and nothing else is to be had there', async () => {
    const dist = join(import.meta.dirname, '../../dist')
    const built = join(dist, 'faultline.html')
    mkdirSync(dist, { recursive: true })
    if (!existsSync(built)) writeFileSync(built, readFileSync(file))
    const given = join(FIXTURES, 'frozen-munmap-perf.txt.gz')
    const serving = await servePage([given])
    try {
      const page = await open('', { address: serving.address })
      await page.waitForSelector('#traces-result:not([hidden])')
      assert.match(await says(page), CHAIN)
      await close(page)
      const { origin } = new URL(serving.address)
      for (const wrong of ['/', '/file/0', `${new URL(serving.address).pathname}file/1`])
        assert.equal((await fetch(`${origin}${wrong}`)).status, 404, wrong)
    } finally {
      await serving.close()
    }
    await assert.rejects(
      servePage(['/nowhere']),
      /^FaultlineError: \/nowhere does not exist; expected a trace file$/,
    )
  })
})

/** The same seconds again and again, one after the other. */
function repeated(trace: string, times: number): string {
  const seconds = 20
  const copies = Array.from({ length: times }, (_, at) =>
    trace.replace(
      /^(.* +)(\d+)(\.\d{6}: )/gm,
      (_line, before: string, whole: string, rest: string) =>
        `${before}${Number(whole) + at * seconds}${rest}`,
    ),
  )
  return copies.join('')
}
