/**
 * The life of a volume, with each call of the host that it makes failing once: made, filled, read out, closed, opened to be
 * written and to be read. Whatever fails ends in a sentence; what was durable stays; and what can't be opened can be made.
 */
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { join } from 'node:path'
import { test } from 'node:test'
import { FaultlineError } from '../calls/index.ts'
import { Machine } from '../map/index.ts'
import { scratch } from '../map/world.suite.ts'

type Call = (...args: unknown[]) => unknown
type Calls = Record<string, Call>

/** What a volume asks of the host, by how a failure is told. */
const KINDS = {
  thrown: [
    'openSync',
    'writeSync',
    'readSync',
    'fsyncSync',
    'closeSync',
    'renameSync',
    'linkSync',
    'mkdirSync',
    'rmSync',
    'rmdirSync',
    'readdirSync',
    'readFileSync',
    'writeFileSync',
    'statSync',
    'fstatSync',
    'statfsSync',
  ],
  calledBack: ['read', 'readv', 'write', 'writev', 'fsync'],
} as const

const calls = fs as unknown as Calls

function failure(name: string): Error {
  const error = new Error(`EIO: i/o error, ${name}`)
  return Object.assign(error, { code: 'EIO', errno: -5, syscall: name })
}

/** Makes the n-th call of a kind fail; the rest, and the same one later, work. Returns whether it came to it, and the undoing. */
function breakCall(name: string, n: number): { readonly came: () => boolean; readonly mend: () => void } {
  const real = calls[name]!
  let left = n
  calls[name] = (...args) => {
    if (--left !== 0) return real(...args)
    // close(2) closes, whatever it says.
    if (name === 'closeSync') real(...args)
    if (name.endsWith('Sync')) throw failure(name)
    setImmediate(args.at(-1) as Call, failure(name), 0)
    return undefined
  }
  syncBuiltinESMExports()
  const mend = () => {
    calls[name] = real
    syncBuiltinESMExports()
  }
  return { came: () => left <= 0, mend }
}

/** What was promised before it failed. */
async function life(machine: Machine, path: string, target: string, done: string[]): Promise<void> {
  const volume = await machine.createVolume(path, { size: '1 MiB' })
  try {
    await volume.put(Buffer.from('content'), '/a')
    done.push('put')
    await volume.getFile('/a', target)
    await volume.mkdir('/d')
    await volume.sync()
    done.push('sync')
  } finally {
    await volume.close()
  }
  for (const mode of ['r+', 'r'] as const) {
    const again = await machine.openVolume(path, { mode })
    try {
      await again.list('/')
    } finally {
      await again.close()
    }
  }
}

test('each call of the host that fails once', async t => {
  const folder = scratch(t)
  const unhandled: unknown[] = []
  const take = (error: unknown) => void unhandled.push(error)
  process.on('unhandledRejection', take).on('uncaughtException', take)
  t.after(() => process.off('unhandledRejection', take).off('uncaughtException', take))
  const machine = await Machine.start({ memory: '1 MiB' })
  t.after(() => machine.close())
  // What has to be loaded is loaded.
  await life(machine, join(folder, 'first'), join(folder, 'target'), [])
  let rounds = 0
  for (const name of [...KINDS.thrown, ...KINDS.calledBack])
    for (let n = 1; ; n++) {
      const [path, target] = [join(folder, `v${++rounds}`), join(folder, `t${rounds}`)]
      const which = `call ${n} of ${name}`
      const { came, mend } = breakCall(name, n)
      const done: string[] = []
      let told: unknown
      try {
        await life(machine, path, target, done)
      } catch (error) {
        told = error
      }
      mend()
      assert.ok(told === undefined || told instanceof FaultlineError, `${which}: ${(told as Error)?.stack}`)
      assert.deepEqual(unhandled, [], which)
      if (fs.existsSync(target)) assert.equal(fs.readFileSync(target, 'utf8'), 'content', which)
      const isThere = fs.existsSync(join(path, 'data.mdb'))
      assert.ok(isThere || done.length === 0, `${which}: what was put is gone`)
      const volume = isThere
        ? await machine.openVolume(path, { mode: 'r+' })
        : await machine.createVolume(path, { size: '1 MiB' })
      assert.deepEqual((await volume.check()).wrong, [], which)
      const names = (await volume.list('/')).map(each => each.name)
      if (done.includes('put')) assert.ok(names.includes('a'), which)
      if (done.includes('sync')) assert.ok(names.includes('d'), which)
      await volume.close()
      if (!came()) break
    }
  t.diagnostic(`${rounds} lives`)
})
