/**
 * What POSIX says of each call, asked of a mounted volume and of the filesystems of this kernel in one run; and all that while the
 * disk doesn't answer a request of somebody else's: the daemon holds one for ever, and nobody but who asked for it waits.
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { Mounted, runs, unavailable } from './mounting.suite.ts'

const SUITE = join(import.meta.dirname, '..', 'posix', 'main.ts')
const HOLDING = join(import.meta.dirname, 'holding.suite.ts')

interface Told {
  readonly directory: string
  readonly filesystem: string
  readonly asked: number
  readonly wrong: readonly { readonly name: string; readonly wanted: string; readonly got: string }[]
  readonly explained: readonly { readonly name: string; readonly got: string; readonly reason: string }[]
}

/** A filesystem of the kernel in a file; undefined: it can't be had here. */
async function native(
  t: TestContext,
  folder: string,
  make: readonly [string, ...string[]],
): Promise<string | undefined> {
  const [program, ...words] = make
  const [image, target] = [join(folder, `${program}.img`), join(folder, program)]
  mkdirSync(target)
  const made = await runs('sh', [
    '-c',
    `truncate -s 400M ${image} && ${program} ${words.join(' ')} ${image} && mount -o loop ${image} ${target}`,
  ])
  if (made.status !== 0) {
    t.diagnostic(`${program}: ${made.err.trim()}`)
    return undefined
  }
  return target
}

test('a mounted volume answers as POSIX says, while a request of another hangs for ever', {
  skip: unavailable() ?? false,
}, async t => {
  const mounted = await Mounted.make(t, '128MiB')
  const { folder, volume, target } = mounted
  await mounted.does('head -c 4000000 /dev/urandom > big; echo other > other')
  await mounted.unmount()
  await mounted.start(HOLDING, ['mount', volume, target, '--allow-other'])
  mounted.signal('SIGUSR2')
  await mounted.says('holding')
  const reader = spawn('cat', ['big'], { cwd: target, stdio: 'ignore' })
  const ended = once(reader, 'close')
  await mounted.says('held')

  assert.equal(
    await mounted.does('cat other; echo more >> other; sync other; cat other; mkdir d; mv other d; ls d'),
    'other\nother\nmore\nother\n',
  )
  assert.equal(await mounted.does('dd if=big bs=4096 skip=900 count=2 status=none | wc -c'), '8192\n')
  const kernels = [
    await native(t, folder, ['mkfs.ext4', '-q', '-F', '-b', '4096', '-I', '256', '-O', 'ea_inode']),
    await native(t, folder, ['mkfs.xfs', '-q', '-f']),
  ].filter(each => each !== undefined)
  const { out, err } = await runs(process.execPath, [
    '--conditions=faultline-source',
    SUITE,
    '--json',
    target,
    ...kernels,
  ])
  assert.notEqual(out, '', err)
  for (const { directory, filesystem, asked, wrong, explained } of JSON.parse(out) as Told[]) {
    assert.deepEqual(wrong, [], directory)
    assert.ok(asked >= 1500, `${asked} questions`)
    t.diagnostic(`${filesystem}: ${asked} questions, ${explained.length} answered otherwise for a reason`)
    if (directory === target) assert.deepEqual(explained, [])
  }

  assert.equal(reader.exitCode, null, 'who asked for the block waits')
  reader.kill('SIGKILL')
  assert.deepEqual(await ended, [null, 'SIGKILL'], 'and can be killed')
  mounted.signal('SIGUSR2')
  assert.equal(await mounted.unmount(), 0)
  assert.deepEqual(await mounted.check(), [])
})
