/** A volume by its contract: names, pages, space, what a crash leaves, and what a flipped bit does. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { errno } from '../base/index.ts'
import { ok, PAGE, VolumeWorld } from './volume-world.suite.ts'

const full = (value: number, length = PAGE) => new Uint8Array(length).fill(value)

describe('names', () => {
  it('lead to files and directories, and are listed in order', () => {
    const { volume, ...at } = new VolumeWorld()
    ok(volume.create('/dir', 'directory'))
    ok(volume.create('/dir/ü b', 'file'))
    ok(volume.create('/dir/a', 'file'))
    assert.deepEqual(
      ok(volume.list('/dir')).map(each => each.name),
      ['ü b', 'a'],
    )
    assert.equal(ok(volume.stat('/dir')).kind, 'directory')
    assert.equal(volume.create('/dir/a', 'file').errno, errno.EEXIST)
    assert.equal(volume.create('/none/a', 'file').errno, errno.ENOENT)
    assert.equal(volume.create('/dir/a/b', 'file').errno, errno.ENOTDIR)
    assert.equal(volume.create(`/${'x'.repeat(256)}`, 'file').errno, errno.ENAMETOOLONG)
    assert.equal(volume.unlink('/dir').errno, errno.ENOTEMPTY)
    assert.equal(at.world.engine.scheduler.tasks.size, 0)
  })

  it('of a file may be several; the last one takes it away (N1)', () => {
    const at = new VolumeWorld()
    at.close(at.create('/a', 2))
    assert.equal(at.volume.link('/a', '/b').errno, 0)
    assert.equal(at.volume.unlink('/a').errno, 0)
    assert.deepEqual(at.pages(at.open('/b')), [1, 2])
    at.recount()
  })

  it('are replaced by rename, but never a directory by one inside it (N2)', () => {
    const at = new VolumeWorld()
    at.close(at.create('/a', 2))
    at.close(at.create('/b', 3))
    assert.equal(at.volume.rename('/a', '/b').errno, 0)
    assert.deepEqual(at.pages(at.open('/b')), [1, 2])
    ok(at.volume.create('/d', 'directory'))
    ok(at.volume.create('/d/e', 'directory'))
    assert.equal(at.volume.rename('/d', '/d/e/f').errno, errno.EINVAL)
    assert.equal(at.volume.rename('/b', '/d').errno, errno.EISDIR)
    assert.equal(at.volume.rename('/d', '/b').errno, errno.ENOTDIR)
    at.recount()
  })

  it('what if a file loses its name while it is open? It lives until the last has closed it (VO1)', () => {
    const at = new VolumeWorld()
    const { used } = at.volume.usage
    const a = at.create('/a', 2)
    assert.equal(at.volume.unlink('/a').errno, 0)
    assert.deepEqual(at.pages(a), [1, 2])
    at.recount()
    at.commit()
    const later = at.crash()
    later.recount()
    later.commit()
    assert.equal(later.volume.usage.used, used, 'the orphan is gone when the volume is opened again')
    at.close(a)
    at.commit()
    at.commit()
    assert.equal(at.volume.usage.used, used)
    at.recount()
  })
})

describe('pages', () => {
  it('come back from the device as they were written, holes as zeros', () => {
    const at = new VolumeWorld()
    const a = at.create('/a', 2)
    at.write(a, 5 * PAGE + 7, full(9, 3))
    at.sync(a)
    at.evict(a)
    assert.deepEqual(at.pages(a), [1, 2, 0, 0, 0, 0])
    assert.deepEqual([...at.read(a, 5 * PAGE + 6, 10)], [0, 9, 9, 9])
    assert.equal(ok(at.volume.stat('/a')).blocks, 3)
    at.recount()
  })

  it('are never written in place: until a commit the old bytes are what is durable', () => {
    const at = new VolumeWorld()
    const a = at.create('/a', 2)
    at.write(a, 0, full(77))
    at.world.later(60_000_000_000)
    assert.equal(at.world.engine.cache.dirtyPages, 0, 'it has been written')
    assert.deepEqual(at.durable('/a'), [1, 2])
    at.sync(a)
    assert.deepEqual(at.durable('/a'), [77, 2])
    at.recount()
  })

  it('what was cut off by truncation stays away when the file grows (RS2)', () => {
    const at = new VolumeWorld()
    const a = at.create('/a', 3)
    for (const size of [PAGE + 10, 3 * PAGE]) {
      assert.equal(at.world.says(at.world.truncate(a, size)), 'done')
      at.evict(a)
    }
    assert.deepEqual([...at.read(a, PAGE + 8, 4)], [2, 2, 0, 0])
    assert.deepEqual(at.pages(a), [1, 2, 0])
    at.sync(a)
    assert.deepEqual(at.durable('/a'), [1, 2, 0])
    at.recount()
  })

  it('punched are zero, and those cut in part are zero there', () => {
    const at = new VolumeWorld()
    const a = at.create('/a', 4)
    assert.equal(at.world.says(at.world.punch(a, PAGE - 1, 2 * PAGE + 2)), 'done')
    at.evict(a)
    assert.deepEqual([...at.read(a, PAGE - 2, 3)], [1, 0, 0])
    assert.deepEqual([...at.read(a, 3 * PAGE, 2)], [0, 4])
    assert.equal(ok(at.volume.stat('/a')).blocks, 2)
    at.recount()
  })

  it('dirty past what is written, then truncated away, give their promise back', () => {
    const at = new VolumeWorld()
    const a = at.create('/a', 1)
    at.write(a, 2 * PAGE, full(5, 3 * PAGE))
    assert.equal(at.volume.usage.reserved, 3)
    assert.equal(at.world.says(at.world.punch(a, 3 * PAGE, PAGE)), 'done')
    assert.equal(at.volume.usage.reserved, 2)
    assert.equal(at.world.says(at.world.truncate(a, PAGE)), 'done')
    assert.equal(at.volume.usage.reserved, 0)
    at.recount()
  })
})

describe('space', () => {
  it('is promised at the store: a full volume refuses it there, and the page stays as it was (WR1)', () => {
    const at = new VolumeWorld({ blocks: 8 })
    const a = at.create('/a', 4)
    const space = at.world.space('s')
    const start = at.world.map(space, a)
    for (const page of [0, 1, 2])
      assert.equal(at.world.says(at.world.fault(space, start + page, 'store')), 'done')
    assert.deepEqual(
      { ...at.volume.usage, blockSize: 0 },
      { blockSize: 0, size: 7, free: 0, used: 4, reserved: 3 },
    )
    assert.equal(at.world.says(at.world.fault(space, start + 3, 'store')), 'ENOSPC')
    assert.equal(at.world.rights(space, start + 3), '')
    for (const page of [0, 1, 2]) at.world.store(space, start + page, 100 + page)
    at.sync(a)
    assert.deepEqual(at.durable('/a'), [100, 101, 102, 4])
    at.recount()
  })

  it('what if all that is left is what a commit gives back? The fault waits for one, and restarts', () => {
    const at = new VolumeWorld({ blocks: 6 })
    const a = at.create('/a', 3)
    const space = at.world.space('s')
    const start = at.world.map(space, a)
    at.write(a, 0, full(50, 2 * PAGE))
    at.world.later(60_000_000_000)
    assert.equal(at.volume.usage.free, 0)
    at.store.holding = true
    const store = at.world.fault(space, start + 2, 'store')
    assert.equal(at.world.says(store), 'waits: reserve')
    at.store.holding = false
    at.store.release()
    at.world.settle()
    assert.equal(at.world.says(store), 'done')
    at.recount()
  })

  it('of a write that failed is as it was, and the page is written once the device takes it (WR2)', () => {
    const at = new VolumeWorld({ blocks: 8 })
    const a = at.create('/a', 2)
    at.device.holding = true
    at.write(a, 0, full(60))
    const before = at.volume.usage
    const sync = at.world.sync(a)
    at.device.fail(at.device.held[0]!)
    at.world.settle()
    at.device.releaseAll()
    at.world.settle()
    assert.equal(at.world.says(sync), 'EIO')
    assert.deepEqual(at.volume.usage, before)
    at.recount()
    at.sync(a)
    assert.deepEqual(at.durable('/a'), [60, 2])
  })
})

describe('a change of a file', () => {
  it('what if the volume becomes read-only while it is on its way? It ends, and so does its claim', () => {
    const at = new VolumeWorld()
    const a = at.create('/a', 2)
    at.device.holding = true
    const truncation = at.world.truncate(a, 100)
    assert.equal(at.world.says(truncation), 'waits: device')
    at.volume.parts.damaged('a test')
    at.device.releaseAll()
    at.world.settle()
    assert.equal(at.world.says(truncation), 'done')
    assert.equal(a.file.invalidation, undefined)
  })
})

describe('a commit', () => {
  it('that the store refused loses nothing: the next one has it all', () => {
    const at = new VolumeWorld()
    const a = at.create('/a', 1)
    at.store.holding = true
    at.write(a, 0, full(33))
    const sync = at.world.sync(a)
    at.store.release(errno.ENOSPC)
    at.world.settle()
    assert.equal(at.world.says(sync), 'ENOSPC')
    assert.deepEqual(at.durable('/a'), [1])
    at.store.holding = false
    at.sync(a)
    assert.deepEqual(at.durable('/a'), [33])
    at.recount()
  })

  it('whose flush failed is the last: what was written before it may be lost', () => {
    const at = new VolumeWorld()
    const a = at.create('/a', 1)
    at.device.holding = true
    const ticket = at.volume.sync()
    at.world.settle()
    at.device.fail(at.device.held.find(request => request.operation === 'flush')!)
    at.device.releaseAll()
    at.world.settle()
    assert.equal(ticket.errno, errno.EIO)
    assert.equal(at.volume.unlink('/a').errno, errno.EROFS)
    assert.deepEqual(at.pages(a), [1])
    assert.deepEqual(at.durable('/a'), [1])
  })

  it('is asked for while another is on its way: it has what came between', () => {
    const at = new VolumeWorld()
    at.store.holding = true
    ok(at.volume.create('/a', 'file'))
    const first = at.volume.sync()
    at.world.settle()
    ok(at.volume.create('/b', 'file'))
    const second = at.volume.sync()
    at.store.release()
    assert.equal(first.complete && second.complete, false)
    at.world.settle()
    at.store.release()
    at.world.settle()
    assert.ok(first.complete && second.complete)
    assert.equal(at.crash().volume.stat('/b').errno, 0)
  })
})

describe('damage', () => {
  it('of data is told by file and offset, never handed on, and makes the volume read-only (RD1)', () => {
    const at = new VolumeWorld()
    const a = at.create('/a', 3)
    at.evict(a)
    const [part] = a.volumeFile.node.extents.inside(1, 2)
    const byte = new Uint8Array(1)
    at.disk.peek(part!.value * PAGE + 100, byte)
    at.disk.poke(part!.value * PAGE + 100, new Uint8Array([byte[0]! ^ 4]))
    const read = at.world.read(a, PAGE, 10)
    assert.equal(at.world.says(read), 'EIO')
    assert.match(at.volume.damage[0]!, /^\/a, bytes 4096 to 8191: block \d+ doesn't match its checksum$/)
    assert.equal(at.volume.unlink('/a').errno, errno.EROFS)
    assert.deepEqual([...at.read(a, 2 * PAGE, 2)], [3, 3], 'the rest can be read')
  })

  it('of a record is told by its key, wherever the bit is (J2)', () => {
    const at = new VolumeWorld({ blocks: 16 })
    at.create('/a', 3)
    const image = at.image()
    image.store.forEach(([key, value], which) => {
      const store = image.store.map(([each, bytes]) => [each, bytes.slice()] as [string, Uint8Array])
      store[which]![1][value.length >>> 1]! ^= 16
      if (key === 'h') return
      const later = new VolumeWorld({ blocks: 16, image: { ...image, store } })
      const { wrong } = later.volume.check()
      assert.ok(
        wrong.some(sentence => sentence.includes(`the record ${key} doesn't match its checksum`)),
        `${key}: ${wrong}`,
      )
    })
  })

  it('of the first block opens the volume to be read', () => {
    const at = new VolumeWorld({ blocks: 16 })
    at.create('/a', 2)
    const image = at.image()
    image.device[20]! ^= 1
    const later = new VolumeWorld({ blocks: 16, image })
    assert.match(later.volume.damage[0]!, /first block doesn't match its checksum/)
    assert.deepEqual(later.pages(later.open('/a')), [1, 2])
    assert.equal(later.volume.create('/b', 'file').errno, errno.EROFS)
  })
})
