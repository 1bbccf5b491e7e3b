/** The public door: what `import … from 'faultline'` gives is what the papers show, and nothing else. */
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Machine as MachineType, Mapping, View, Volume, Watcher } from './index.ts'
import * as door from './index.ts'
import { unavailable } from './uffd/hardware.suite.ts'

const { FaultlineError, Machine } = door

test('the door gives four values; everything else is a type', () => {
  assert.deepEqual(Object.keys(door).sort(), ['FaultlineError', 'Machine', 'attach', 'start'])
  assert.equal(Machine.start, door.start)
  assert.throws(() => Object.assign(Machine, { start: undefined }), TypeError)
})

test("Machine.start takes mmu 'hardware', and says what is missing where there is none", async t => {
  const said = await Machine.start({ mmu: 'hardware', memory: '16 MiB' }).catch((error: unknown) => error)
  if (said instanceof Error) {
    assert.ok(said instanceof FaultlineError && said.code === 'ENOTSUP', said.message)
    t.diagnostic(`no hardware MMU here: ${unavailable}`)
    return
  }
  await using machine = said as MachineType
  assert.equal(machine.mmu, 'hardware')
})

test('options are refused alike on either MMU, before it is looked for', async () => {
  const loose = Machine.start as (options: unknown) => Promise<unknown>
  for (const mmu of ['software', 'hardware', 'auto'])
    for (const [options, sentence] of [
      [{ pageSize: 5 }, /^pageSize: expected a power of two/],
      [{ memory: 1 }, /^memory: expected/],
      [{ discipline: 'linus' }, /^discipline: expected one of/],
      [{ readAhead: 'far' }, /^readAhead: expected/],
      [{ foo: 1 }, /no option "foo"; expected mmu, onError, .*memory/],
      [{ swap: null }, /swap: expected a value, got null/],
    ] as const)
      await assert.rejects(loose({ mmu, ...options }), error => {
        assert.ok(error instanceof FaultlineError && error.code === 'EINVAL', `${mmu}: ${error}`)
        assert.match(error.message, sentence)
        return true
      })
})

for (const mmu of ['software', 'hardware'] as const)
  test(`groups take objects of settings on the ${mmu} MMU`, {
    skip: mmu === 'hardware' && unavailable,
  }, async () => {
    await using machine = await Machine.start({ mmu, memory: '16 MiB' })
    const group = machine.group('g') as unknown as Record<string, (...given: unknown[]) => unknown>
    for (const [call, code, sentence] of [
      [() => group['group']!('h', null), 'EINVAL', /^group: expected an object of settings, got null$/],
      [() => group['group']!('h', ['io.max']), 'EINVAL', /^group: expected an object of settings/],
      [() => group['set']!(null, 1), 'ENOENT', /^null isn't a key of a group; expected one of io.max/],
      [() => group['set']!('memory.max', null), 'EINVAL', /^memory.max: expected whole bytes/],
      [() => group['read']!(null), 'ENOENT', /^null isn't a key/],
    ] as const)
      assert.throws(call, error => {
        assert.ok(error instanceof FaultlineError && error.code === code, String(error))
        assert.match(error.message, sentence)
        return true
      })
  })

test("mmu 'auto' gives a machine everywhere", async () => {
  await using machine = await Machine.start({ mmu: 'auto', memory: '8 MiB' })
  assert.match(machine.mmu, /^(software|hardware)$/)
})

for (const mmu of ['software', 'hardware'] as const)
  test(`ranges of a volume's files are shared and compared on the ${mmu} MMU`, {
    skip: mmu === 'hardware' && unavailable,
  }, async t => {
    const folder = fs.mkdtempSync(join(tmpdir(), 'faultline-door-'))
    t.after(() => fs.rmSync(folder, { recursive: true }))
    await using machine = await Machine.start({ mmu, memory: '16 MiB', pageSize: 4096 })
    const volume: Volume = await machine.createVolume(join(folder, 'v'), { size: '4 MiB' })
    await volume.create('/a')
    await volume.create('/b')
    const source = await volume.open('/a', { mode: 'r+' })
    const target = await volume.open('/b', { mode: 'r+' })
    await source.write(new Uint8Array(8192).fill(7), 0)
    await volume.cloneRange({ source, target })
    const read = new Uint8Array(8192)
    assert.equal(await target.read(read, 0), 8192)
    assert.equal(read[8191], 7)
    assert.equal(await volume.dedupe({ source, target }), true)
    await source.close()
    await target.close()
    await volume.close()
    assert.deepEqual((await machine.repairVolume(join(folder, 'v'))).wrong, [])
  })

test('a hardware machine says which of its calls need a software one', { skip: unavailable }, async t => {
  const folder = fs.mkdtempSync(join(tmpdir(), 'faultline-door-'))
  t.after(() => fs.rmSync(folder, { recursive: true }))
  await using machine = await Machine.start({ mmu: 'hardware', memory: '16 MiB' })
  const volume = await machine.createVolume(join(folder, 'v'), { size: '4 MiB' })
  const refused = { code: 'ENOTSUP', message: /software/ }
  await assert.rejects(volume.put([new Uint8Array(1)], '/a'), refused)
  await assert.rejects(volume.put(Buffer.of(1), '/a', { progress: () => {} }), refused)
  await assert.rejects(volume.check({ progress: () => {} }), refused)
  await volume.close()
})

/** Compiles only if the types can be named and say what a program needs. */
export function typed(map: Mapping, watcher: Watcher): ArrayBuffer {
  const sum = (view: View): number => view.u32(0) + view.length
  void map.run(sum)
  watcher.began({ id: 1, name: 'one', group: 1 })
  return map.bytes.buffer
}
