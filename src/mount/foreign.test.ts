/** Programs of others on a mounted volume. One that isn't installed is skipped, and which is said. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { FOREIGN } from './foreign.suite.ts'
import { has, Mounted, runs, unavailable } from './mounting.suite.ts'

test('random operations against a flat model, with the kernel writing when it likes', {
  skip: unavailable() ?? false,
}, async t => {
  const mounted = await Mounted.make(t, '64MiB', '--writeback')
  const [{ script }] = FOREIGN
  await mounted.does(`outside=${mounted.folder}\n${script}`)
  assert.equal(await mounted.unmount(), 0)
  assert.deepEqual(await mounted.check(), [])
})

test('the longer form ends with 2 where no name has the word that it was given', async () => {
  const words = ['--conditions=faultline-source', join(import.meta.dirname, 'foreign.fuzz.ts'), 'nosuchname']
  const { status, err } = await runs(process.execPath, words)
  assert.equal(status, 2)
  assert.match(err, /^no name has the word nosuchname; they are:\n/)
})

test('programs of others on a mounted volume', { skip: unavailable() ?? false }, async t => {
  const mounted = await Mounted.make(t, '256MiB', '--allow-other')
  for (const [at, { name, needs, script }] of FOREIGN.entries()) {
    const missing = needs.find(program => !has(program))
    await t.test(name, { skip: missing === undefined ? false : `needs ${missing}` }, async t => {
      const outside = mkdtempSync(join(tmpdir(), 'faultline-outside-'))
      t.after(async () => {
        await runs('umount', ['-l', join(outside, 'inner')])
        rmSync(outside, { recursive: true, force: true })
      })
      await mounted.does(`outside=${outside}; mkdir t${at}; cd t${at}\n${script}`)
      await mounted.does(`rm -rf t${at}`)
    })
  }
  assert.equal(await mounted.unmount(), 0)
  assert.equal(mounted.said, '')
  assert.deepEqual(await mounted.check(), [])
})
