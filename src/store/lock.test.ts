/** Locks of volumes: who keeps whom out, and what becomes of the lock of a process that is gone. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { Locked, VolumeLock } from './index.ts'

const directory = fs.mkdtempSync(join(tmpdir(), 'faultline-lock-'))
after(() => fs.rmSync(directory, { recursive: true }))

const locks = () => fs.readdirSync(join(directory, 'locks'))

test('a writer keeps everybody out, readers keep writers out, and each says who it is (LK1)', () => {
  const writer = VolumeLock.take(directory, 'r+')
  for (const mode of ['r', 'r+'] as const)
    assert.throws(
      () => VolumeLock.take(directory, mode),
      (error: unknown) =>
        error instanceof Locked &&
        error.owner.pid === process.pid &&
        /^process \d+ of \S+ has it open to write since 20\d\d-/.test(error.message),
    )
  writer.release()
  const readers = [VolumeLock.take(directory, 'r'), VolumeLock.take(directory, 'r')]
  assert.throws(() => VolumeLock.take(directory, 'r+'), /has it open to read/)
  for (const reader of readers) reader.release()
  VolumeLock.take(directory, 'r+').release()
  assert.deepEqual(locks(), [])
})

test('what if the writer is killed? Its lock is nobody’s, and is removed (LK2)', async () => {
  const index = join(import.meta.dirname, 'index.ts')
  const code = `import { VolumeLock } from ${JSON.stringify(index)}
    VolumeLock.take(${JSON.stringify(directory)}, 'r+'); console.log('taken'); setInterval(() => {}, 1e6)`
  const child = spawn(process.execPath, ['--input-type=module-typescript', '-e', code], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await once(child.stdout, 'data')
  assert.throws(() => VolumeLock.take(directory, 'r'), new RegExp(`process ${child.pid} of`))
  child.kill('SIGKILL')
  await once(child, 'exit')
  const lock = VolumeLock.take(directory, 'r+')
  assert.equal(locks().length, 1)
  lock.release()
})

test('what if its number has been given to another process, or the host began anew?', () => {
  const lock = VolumeLock.take(directory, 'r+')
  const path = join(directory, 'locks', locks()[0]!)
  const owner = JSON.parse(fs.readFileSync(path, 'utf8'))
  for (const other of [{ begun: '1' }, { boot: 'another' }]) {
    fs.writeFileSync(path, JSON.stringify({ ...owner, ...other }))
    VolumeLock.take(directory, 'r+').release()
    fs.writeFileSync(path, JSON.stringify(owner))
  }
  fs.writeFileSync(path, JSON.stringify({ ...owner, host: 'elsewhere' }))
  assert.throws(
    () => VolumeLock.take(directory, 'r+'),
    /process \d+ of elsewhere .*if that process is gone, remove /,
  )
  lock.release()
})
