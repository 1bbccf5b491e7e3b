/** A directory and those above it: what mkdir -p does, and an end where the host never gives one. */
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { makeDirectories } from './index.ts'

describe('directories and those above them', () => {
  const folder = fs.mkdtempSync(join(tmpdir(), 'faultline-directories-'))

  it('are made, and which was the topmost is told', () => {
    assert.equal(makeDirectories(join(folder, 'a/b/c')), join(folder, 'a'))
    assert.equal(makeDirectories(join(folder, 'a/b/d/e')), join(folder, 'a/b/d'))
    assert.ok(fs.statSync(join(folder, 'a/b/d/e')).isDirectory())
  })

  it('stay where they are there, behind links too', () => {
    fs.mkdirSync(join(folder, 'real'))
    fs.symlinkSync('real', join(folder, 'link'))
    assert.equal(makeDirectories(join(folder, 'link')), undefined)
    assert.equal(makeDirectories(join(folder, 'link/below')), join(folder, 'link/below'))
    assert.equal(makeDirectories('/'), undefined)
  })

  for (const [what, path, code] of [
    ['a file is in the way', 'file/a/b', 'ENOTDIR'],
    ['a file has the name', 'file', 'EEXIST'],
    ['a link leads nowhere', 'broken/a', 'EEXIST'],
  ] as const)
    it(`are refused where ${what}`, () => {
      fs.writeFileSync(join(folder, 'file'), '')
      fs.rmSync(join(folder, 'broken'), { force: true })
      fs.symlinkSync('nowhere', join(folder, 'broken'))
      assert.throws(() => makeDirectories(join(folder, path)), { code })
    })

  it('are refused, and soon, where the host says of a directory that is there that it is not', {
    skip: process.platform !== 'linux' && 'it needs /proc',
  }, () => {
    for (const path of ['/proc/made', '/proc/made/below', '/proc/self/fd/made'])
      assert.throws(() => makeDirectories(path), { code: 'ENOENT' })
  })

  it('leave nothing behind', () => fs.rmSync(folder, { recursive: true }))
})
