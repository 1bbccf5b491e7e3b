/**
 * Mappings that are longer than 32 bits can count: what is loaded, stored, cut and synced far out is what lies there, and
 * nothing of it shows near the start of the file, where a truncated offset would lead. The files have holes, and take a
 * few pages of disk.
 */

import assert from 'node:assert/strict'
import fs from 'node:fs'
import { describe, type TestContext, test } from 'node:test'
import type { ViewFace } from '../api/index.ts'

import type { Mmu } from './conformance.suite.ts'
import { sparse } from './world.suite.ts'

/** 2^39 bytes are more pages of 4 KiB than an entry of a page table has numbers for. */
const EDGES = [31, 32, 33, 39]

type Load = readonly [
  string,
  number,
  (v: ViewFace, at: number) => unknown,
  (d: DataView, at: number) => unknown,
]
const LOADS: readonly Load[] = [
  ['u8', 1, (v, at) => v.u8(at), (d, at) => d.getUint8(at)],
  ['u16', 2, (v, at) => v.u16(at), (d, at) => d.getUint16(at, true)],
  ['u32', 4, (v, at) => v.u32(at), (d, at) => d.getUint32(at, true)],
  ['i32', 4, (v, at) => v.i32(at), (d, at) => d.getInt32(at, true)],
  ['f32', 4, (v, at) => v.f32(at), (d, at) => d.getFloat32(at, true)],
  ['f64', 8, (v, at) => v.f64(at), (d, at) => d.getFloat64(at, true)],
  ['u64', 8, (v, at) => v.u64(at), (d, at) => d.getBigUint64(at, true)],
]

type Store = readonly [string, number, (v: ViewFace, at: number) => void, (d: DataView, at: number) => void]
const STORES: readonly Store[] = [
  ['setU8', 1, (v, at) => v.setU8(at, 201), (d, at) => d.setUint8(at, 201)],
  ['setU16', 2, (v, at) => v.setU16(at, 60001), (d, at) => d.setUint16(at, 60001, true)],
  ['setU32', 4, (v, at) => v.setU32(at, 4e9), (d, at) => d.setUint32(at, 4e9, true)],
  ['setI32', 4, (v, at) => v.setI32(at, -5), (d, at) => d.setInt32(at, -5, true)],
  ['setF32', 4, (v, at) => v.setF32(at, 1.5), (d, at) => d.setFloat32(at, 1.5, true)],
  ['setF64', 8, (v, at) => v.setF64(at, Math.PI), (d, at) => d.setFloat64(at, Math.PI, true)],
  ['setU64', 8, (v, at) => v.setU64(at, 2n ** 63n + 1n), (d, at) => d.setBigUint64(at, 2n ** 63n + 1n, true)],
]

export function far(mmu: Mmu): void {
  for (const pageSize of [4096, 65536])
    for (const bits of EDGES)
      describe(`around 2^${bits}, with pages of ${pageSize} bytes`, () => {
        const edge = 2 ** bits
        const start = edge - 2 * pageSize
        const length = 4 * pageSize

        /** A file whose pages around the edge, and at its start, hold bytes of their own; and a copy of those. */
        async function world(t: TestContext) {
          const path = sparse(t, edge + 4 * pageSize)
          const near = new DataView(new ArrayBuffer(length))
          const around = new DataView(new ArrayBuffer(length))
          for (let at = 0; at < length; at++) {
            near.setUint8(at, (at * 7 + (at >> 8)) & 255)
            around.setUint8(at, (at * 13 + 5 + (at >> 7)) & 255)
          }
          const fd = fs.openSync(path, 'r+')
          t.after(() => fs.closeSync(fd))
          fs.writeSync(fd, near, 0, length, 0)
          fs.writeSync(fd, around, 0, length, start)
          const machine = await mmu.start({ memory: 64 * pageSize, pageSize })
          t.after(() => machine.close())
          const file = await machine.open(path, { mode: 'r+' })
          const space = machine.space({ name: 'far' })
          const stored = () => {
            const found = [new Uint8Array(length), new Uint8Array(length)] as const
            fs.readSync(fd, found[0], 0, length, 0)
            fs.readSync(fd, found[1], 0, length, start)
            return found
          }
          /** That the file and the model are the same, around the edge and at the start. */
          const same = (what: string) => {
            const [first, last] = stored()
            assert.ok(Buffer.from(last).equals(new Uint8Array(around.buffer)), `${what}: around the edge`)
            assert.ok(Buffer.from(first).equals(new Uint8Array(near.buffer)), `${what}: at the start`)
          }
          return { machine, file, space, around, near, same }
        }

        /** Offsets across and beside the edge. */
        const offsets = (size: number) => {
          const found = [start, edge - pageSize - 1, edge + 2 * pageSize - size]
          for (let back = 0; back <= size; back++) found.push(edge - back)
          return found
        }

        test('sections load and store what lies there, once', async t => {
          const { file, space, around, near, same } = await world(t)
          const map = await space.map(file, { prot: 'rw' })
          for (const [name, size, load, expected] of LOADS)
            for (const at of offsets(size)) {
              let runs = 0
              const value = await map.run(view => {
                assert.ok(runs++ < 6, `${name} at ${at} runs for ever`)
                return load(view, at)
              })
              assert.deepEqual(value, expected(around, at - start), `${name} at ${at}`)
            }
          for (const [, size, store, expected] of STORES)
            for (const at of offsets(size)) {
              await map.run(view => {
                store(view, at)
                store(view, at - start)
              })
              expected(around, at - start)
              expected(near, at - start)
            }
          assert.deepEqual(await map.run(view => view.bytes(start, length)), new Uint8Array(around.buffer))
          const bytes = new Uint8Array(2 * pageSize).map((_, at) => at * 3)
          await map.run(view => view.write(edge - pageSize - 7, bytes))
          new Uint8Array(around.buffer).set(bytes, pageSize - 7)
          assert.deepEqual(await map.run(view => view.bytes(start, length)), new Uint8Array(around.buffer))
          assert.deepEqual(await map.run(view => view.bytes(0, length)), new Uint8Array(near.buffer))
          await map.sync()
          same('after sync')
        })

        test('sections that throw leave nothing behind', async t => {
          const { file, space, same } = await world(t)
          const map = await space.map(file, { prot: 'rw' })
          const boom = (view: ViewFace) => {
            view.setU32(edge - 2, 1)
            view.setU8(8, 1)
            view.write(edge - 100, new Uint8Array(200))
            view.setF64(edge + 8, 1)
            view.setU64(edge - 4, 1n)
            throw new RangeError('mine')
          }
          await assert.rejects(async () => map.run(boom), { message: 'mine' })
          await map.sync()
          same('after a section that threw')
        })

        test('a mapping that begins there shows it', async t => {
          const { file, space, around, same } = await world(t)
          const map = await space.map(file, { prot: 'rw', offset: edge - pageSize })
          assert.equal(
            await map.run(view => view.u32(pageSize - 2)),
            around.getUint32(2 * pageSize - 2, true),
          )
          await map.run(view => view.setU32(pageSize - 2, 0x12345678))
          around.setUint32(2 * pageSize - 2, 0x12345678, true)
          await map.sync({ offset: 0, length: 2 * pageSize })
          same('after sync')
        })

        test('calls read, write, punch and cut there and nowhere else', async t => {
          const { file, space, around, same } = await world(t)
          const map = await space.map(file, { prot: 'rw' })
          const model = new Uint8Array(around.buffer)
          const target = new Uint8Array(length)
          assert.equal(await file.read(target, start), length)
          assert.deepEqual(target, model)
          const bytes = new Uint8Array(100).fill(99)
          await file.write(bytes, edge - 50)
          model.set(bytes, 2 * pageSize - 50)
          assert.equal(await map.run(view => view.u8(edge + 49)), 99)
          await file.punch(edge + 10, pageSize)
          model.fill(0, 2 * pageSize + 10, 3 * pageSize + 10)
          assert.equal(await map.run(view => view.u32(edge + 10)), 0)
          await file.truncate(edge + pageSize + 20)
          await file.truncate(edge + 4 * pageSize)
          model.fill(0, 3 * pageSize + 20)
          assert.equal(await map.run(view => view.u32(edge + pageSize + 20)), 0)
          await map.advise('populate-read', { offset: start, length })
          await map.protect('r', { offset: edge })
          await assert.rejects(async () => map.run(view => view.setU8(edge, 1)), { code: 'EACCES' })
          await map.run(view => view.setU8(edge - 1, 7))
          model[2 * pageSize - 1] = 7
          await file.sync()
          same('after the calls')
        })
      })
}
