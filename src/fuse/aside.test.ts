/** Threads of a mount: ended at whatever moment of their beginning they take nobody along, and who waits for them is answered. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'

const ASIDE = `
  import { Aside } from '${new URL('./aside.ts', import.meta.url)}'
  const aside = new Aside()`
const WRITERS = `
  import fs from 'node:fs'
  import { PageWriters } from '${new URL('./page-writers.ts', import.meta.url)}'
  const device = fs.openSync('/dev/null')
  const writers = new PageWriters({ device, target: '/' })`
const MOMENT = `await new Promise(done => setTimeout(done, Number(process.argv[2])))`

/** Plays a program that is given milliseconds; what it printed, and how it ended. */
function player(t: TestContext, text: string): (ms: number) => Promise<readonly [string, unknown]> {
  const folder = fs.mkdtempSync(join(tmpdir(), 'faultline-aside-'))
  t.after(() => fs.rmSync(folder, { recursive: true }))
  const program = join(folder, 'program.mjs')
  fs.writeFileSync(program, text)
  return async ms => {
    const words = ['--conditions=faultline-source', program, String(ms)]
    const child = spawn(process.execPath, words, { stdio: ['ignore', 'pipe', 'inherit'] })
    let out = ''
    child.stdout.on('data', chunk => {
      out += chunk
    })
    const [status, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null]
    return [out, status ?? signal]
  }
}

test('what has begun a moment ago can be ended, and the process goes on', async t => {
  const play = player(
    t,
    `${ASIDE}
    ${MOMENT}
    await aside.end()
    console.log('ended')`,
  )
  for (let ms = 0; ms < 60; ms += 4)
    assert.deepEqual(await play(ms), ['ended\n', 0], `${ms} ms after its beginning`)
})

test('AS2: who waits for calls is answered, though nothing else keeps the process alive', async t => {
  const play = player(
    t,
    `${ASIDE}
    const set = value => aside.call({ what: 'set', path: '/dev/null', value })
    console.log(await Promise.all([set('0'), set('1')]), await set('2'))`,
  )
  assert.deepEqual(await play(0), ['[ 0, 0 ] 0\n', 0])
})

test('who ends them while they are at work is told when they have ended', async t => {
  const aside = player(
    t,
    `${ASIDE}
    const set = aside.call({ what: 'set', path: '/dev/null', value: '0' })
    await aside.end()
    console.log(await set)`,
  )
  const writers = player(
    t,
    `${WRITERS}
    const written = writers.write([])
    await writers.end()
    console.log((await written).failed)`,
  )
  for (const play of [aside, writers]) assert.deepEqual(await play(0), ['0\n', 0])
})

test('FPW3: who waits for pages is told, though nothing else keeps the process alive', async t => {
  const play = player(
    t,
    `${WRITERS}
    const { failed } = await writers.write([])
    console.log(failed)
    await writers.end()
    console.log('ended')`,
  )
  assert.deepEqual(await play(0), ['0\nended\n', 0])
})
