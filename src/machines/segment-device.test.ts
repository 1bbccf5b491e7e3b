/** Blocks in segments, against a flat model: a bucket and an index in memory, in which everything takes a while and can fail. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { type Errno, errno } from '../base/index.ts'
import type { Request } from '../device/index.ts'
import { RemoteError } from '../remote/index.ts'
import type { Bucket } from './bucket.ts'
import { runsOf, SegmentDevice } from './segment-device.ts'
import {
  type PlacedRun,
  type SegmentIndex,
  type SegmentName,
  type SegmentRun,
  segmentKey,
} from './segment-index.ts'

const PAGE = 4096
const BLOCKS = 200

const soon = () => new Promise(resolve => setImmediate(resolve))

class World {
  readonly objects = new Map<string, Uint8Array>()
  runs: PlacedRun[] = []
  /** What the device knows of runs without asking. */
  stale: PlacedRun[] = []
  /** What the bucket says to puts; undefined: it takes them. */
  refusal: Errno | undefined
  isFenced = false
  readonly device: SegmentDevice
  private readonly ends = new Map<Request, (error: Errno) => void>()

  constructor() {
    const bucket = {
      name: 'bucket',
      put: async (key: string, body: Uint8Array) => {
        await soon()
        if (this.refusal !== undefined) throw new RemoteError(this.refusal, 'refused')
        assert.equal(this.objects.has(key), false, 'BKT1: an object is put once')
        this.objects.set(key, body)
      },
      read: async (key: string, from: number, to: number) => {
        await soon()
        const found = this.objects.get(key)
        if (found === undefined) throw new RemoteError(errno.ENOENT, 'gone')
        assert.ok(to <= found.length, 'nothing is asked for past its end')
        return found.slice(from, to)
      },
    } as unknown as Bucket
    const at = (block: number) => this.runs.find(({ start, stop }) => start <= block && block < stop)
    const index = {
      at: (block: number) => this.stale.find(({ start, stop }) => start <= block && block < stop),
      forget: (run: PlacedRun) => {
        this.stale = this.stale.filter(each => each !== run)
      },
      bring: async (block: number) => {
        await soon()
        return at(block)
      },
      seal: async (_: string, name: SegmentName, bytes: number, runs: readonly SegmentRun[]) => {
        assert.ok(this.objects.has(segmentKey(name)), 'SGD1: it is in the bucket before the index is told')
        await soon()
        if (!this.isFenced) for (const run of runs) this.runs.push({ ...run, ...name, bytes })
        return !this.isFenced
      },
    } as unknown as SegmentIndex
    const writer = { client: 'me', epoch: 7 }
    this.device = new SegmentDevice({
      name: 'data',
      bucket,
      index,
      blockSize: PAGE,
      writer,
      keep: undefined,
      pump: () => {},
    })
    this.device.onEnd = (request, error) => {
      const end = this.ends.get(request)
      assert.ok(end !== undefined, 'D1: it ends once')
      this.ends.delete(request)
      end(error)
    }
  }

  ask(operation: Request['operation'], block = 0, ...buffers: Uint8Array[]): Promise<Errno> {
    const length = buffers.reduce((sum, buffer) => sum + buffer.length, 0)
    const request: Request = { operation, position: block * PAGE, length, buffers }
    const ended = new Promise<Errno>(resolve => this.ends.set(request, resolve))
    this.device.start(request)
    assert.ok(this.ends.has(request), 'D1: it ends after start has returned')
    return ended
  }

  async read(block: number, blocks: number): Promise<number[]> {
    const bytes = new Uint8Array(blocks * PAGE).fill(0xee)
    assert.equal(await this.ask('read', block, bytes), 0)
    return Array.from({ length: blocks }, (_, at) => {
      const page = bytes.subarray(at * PAGE, (at + 1) * PAGE)
      assert.ok(page.every(byte => byte === page[0]))
      return page[0]!
    })
  }
}

const filled = (of: number, blocks: number) => new Uint8Array(blocks * PAGE).fill(of)

describe('blocks in segments', () => {
  test('are read as they were written, each once, whatever is sealed meanwhile', () =>
    fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.oneof(
            {
              weight: 3,
              arbitrary: fc.record({
                kind: fc.constant('write' as const),
                skip: fc.nat(3),
                blocks: fc.integer({ min: 1, max: 6 }),
              }),
            },
            { weight: 1, arbitrary: fc.record({ kind: fc.constant('flush' as const) }) },
            {
              weight: 2,
              arbitrary: fc.record({
                kind: fc.constant('read' as const),
                from: fc.nat(BLOCKS - 8),
                blocks: fc.integer({ min: 1, max: 8 }),
              }),
            },
          ),
          { maxLength: 40 },
        ),
        async steps => {
          const world = new World()
          const model = new Array<number>(BLOCKS).fill(0)
          const under: Promise<unknown>[] = []
          let next = 0
          for (const step of steps) {
            if (step.kind === 'write') {
              const block = next + step.skip
              if (block + step.blocks > BLOCKS) continue
              next = block + step.blocks
              const of = 1 + (block % 250)
              model.fill(of, block, next)
              under.push(
                world.ask('write', block, filled(of, step.blocks)).then(error => assert.equal(error, 0)),
              )
            } else if (step.kind === 'flush')
              under.push(world.ask('flush').then(error => assert.equal(error, 0)))
            else
              assert.deepEqual(
                await world.read(step.from, step.blocks),
                model.slice(step.from, step.from + step.blocks),
              )
          }
          await Promise.all(under)
          assert.equal(await world.ask('flush'), 0)
          assert.deepEqual(await world.read(0, BLOCKS), model)
          const placed = world.runs.reduce((sum, { start, stop }) => sum + stop - start, 0)
          assert.equal(placed, model.filter(of => of > 0).length, 'D3: each block is where the index says')
        },
      ),
      { numRuns: 40 },
    ))

  test('stay readable when they couldn’t be put, and no flush after that ends well (SGD3)', async () => {
    const world = new World()
    world.refusal = errno.EACCES
    assert.equal(await world.ask('write', 3, filled(5, 2)), 0)
    assert.equal(await world.ask('flush'), errno.EACCES)
    world.refusal = undefined
    assert.equal(await world.ask('flush'), errno.EACCES)
    assert.deepEqual(await world.read(2, 4), [0, 5, 5, 0])
  })

  test('are nobody’s when the writer’s turn is over: ESTALE', async () => {
    const world = new World()
    world.isFenced = true
    assert.equal(await world.ask('write', 3, filled(5, 2)), 0)
    assert.equal(await world.ask('flush'), errno.ESTALE)
    assert.deepEqual(world.runs, [])
    assert.deepEqual(await world.read(3, 2), [5, 5])
  })

  test('wait for room when the bucket is slower than their writer (SGD2)', async () => {
    const world = new World()
    const ended: number[] = []
    const all = Array.from({ length: 100 }, (_, at) =>
      world.ask('write', at * 256, filled(1 + at, 256)).then(() => ended.push(at)),
    )
    await Promise.resolve()
    await Promise.resolve()
    assert.ok(ended.length <= 65, `${ended.length} of 100 MiB were taken at once`)
    await Promise.all(all)
    assert.equal(await world.ask('flush'), 0)
    assert.equal(world.objects.size, 13)
  })

  test('that a segment was removed under are ESTALE', async () => {
    const world = new World()
    await world.ask('write', 0, filled(1, 1))
    await world.ask('flush')
    world.objects.clear()
    assert.equal(await world.ask('read', 0, new Uint8Array(PAGE)), errno.ESTALE)
  })

  test('are found where they lie by now when their segment was rewritten, and those that died are ESTALE', async () => {
    const world = new World()
    await world.ask('write', 3, filled(1, 1), filled(2, 1), filled(3, 1))
    await world.ask('flush')
    const [old] = world.runs
    world.stale = [old!]
    world.objects.clear()
    world.objects.set('segments/0/1', filled(2, 1))
    world.runs = [{ start: 4, stop: 5, place: 0, epoch: 0, number: 1, bytes: PAGE }]
    assert.deepEqual(await world.read(4, 1), [2])
    assert.deepEqual(world.stale, [])
    world.stale = [old!]
    assert.equal(await world.ask('read', 3, new Uint8Array(PAGE)), errno.ESTALE)
  })

  test('are told of in as few runs as can be', () => {
    assert.deepEqual(
      runsOf(
        new Map([
          [5, 0],
          [6, 1],
          [9, 2],
          [8, 3],
          [10, 4],
        ]),
      ),
      [
        { start: 5, stop: 7, place: 0 },
        { start: 8, stop: 9, place: 3 },
        { start: 9, stop: 10, place: 2 },
        { start: 10, stop: 11, place: 4 },
      ],
    )
  })
})
