/** A thread that is ended at whatever moment of its beginning takes nobody along (AS2, FPW3). */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'

const PROGRAM = `
  import { Aside } from '${new URL('./aside.ts', import.meta.url)}'
  const aside = new Aside()
  await new Promise(done => setTimeout(done, Number(process.argv[2])))
  await aside.end()
  console.log('ended')
`

test('what has begun a moment ago can be ended, and the process goes on', async t => {
  const folder = fs.mkdtempSync(join(tmpdir(), 'faultline-aside-'))
  t.after(() => fs.rmSync(folder, { recursive: true }))
  const program = join(folder, 'program.mjs')
  fs.writeFileSync(program, PROGRAM)
  for (let ms = 0; ms < 60; ms++) {
    const words = ['--conditions=faultline-source', program, String(ms)]
    const child = spawn(process.execPath, words, { stdio: ['ignore', 'pipe', 'inherit'] })
    let out = ''
    child.stdout.on('data', chunk => {
      out += chunk
    })
    assert.deepEqual(
      [await once(child, 'close'), out],
      [[0, null], 'ended\n'],
      `${ms} ms after its beginning`,
    )
  }
})
