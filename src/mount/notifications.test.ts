/** What the kernel is told of a change from elsewhere: each thing once, and nothing when the mount has ended. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Aside, invalidateEntry, invalidateInode } from '../fuse/index.ts'
import { ALL_PAGES, bytesOf } from '../volume/index.ts'
import { Notifications } from './notifications.ts'

const INODE = (ino: number) => Buffer.from(invalidateInode(ino, 0, 0)).toString('hex')
const NAME = (directory: number, name: string) =>
  Buffer.from(invalidateEntry(directory, bytesOf(name))).toString('hex')

/** What is told, and calls that end when they are let go. */
function told() {
  const messages: string[] = []
  const waiting: (() => void)[] = []
  const call: Aside['call'] = each => {
    assert.equal(each.what, 'notify')
    messages.push(Buffer.from((each as { readonly message: Uint8Array }).message).toString('hex'))
    return new Promise(resolve => waiting.push(() => resolve(0)))
  }
  const goOn = async () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      next()
      await new Promise(resolve => setImmediate(resolve))
    }
  }
  return { notifications: new Notifications({ call } as Aside, 7, 4096), messages, goOn }
}

const whole = (...inodes: number[]) => new Map(inodes.map(ino => [ino, ALL_PAGES]))

test('of a file those pages are told that are others, or its attributes alone, and many as one range', async () => {
  const { notifications, messages, goOn } = told()
  const many = Array.from({ length: 20 }, (_, at) => ({ start: 2 * at + 1, end: 2 * at + 2 }))
  const inodes = new Map([
    [
      3,
      [
        { start: 2, end: 5 },
        { start: 9, end: 10 },
      ],
    ],
    [4, []],
    [5, many],
  ])
  const followed = notifications.followed({ inodes, places: [] }, { heldNow: [] })
  await goOn()
  await followed
  const range = (ino: number, from: number, length: number) =>
    Buffer.from(invalidateInode(ino, from, length)).toString('hex')
  assert.deepEqual(messages, [
    range(3, 2 * 4096, 3 * 4096),
    range(3, 9 * 4096, 4096),
    range(4, -1, 0),
    range(5, 4096, 39 * 4096),
  ])
})

test('each name and each inode of a commit is told once, names first', async () => {
  const { notifications, messages, goOn } = told()
  const places = ['a', 'b', 'c'].map(name => ({ directory: 1, name }))
  const followed = notifications.followed({ inodes: whole(5, 1), places }, { heldNow: [9] })
  await goOn()
  await followed
  assert.deepEqual(messages, [NAME(1, 'a'), NAME(1, 'b'), NAME(1, 'c'), INODE(5), INODE(1)])
})

test('where it is not known what was changed, each inode is told that the kernel has', async () => {
  const { notifications, messages, goOn } = told()
  const followed = notifications.followed('everything', { heldNow: [3, 4] })
  await goOn()
  await followed
  assert.deepEqual(messages, [INODE(3), INODE(4)])
})

test('a mount that ends waits for what is being told, and tells nothing after it (MNO2)', async () => {
  const { notifications, messages, goOn } = told()
  const followed = notifications.followed({ inodes: whole(5, 6, 7), places: [] }, { heldNow: [] })
  let hasEnded = false
  const ended = notifications.end().then(() => {
    hasEnded = true
  })
  await new Promise(resolve => setImmediate(resolve))
  assert.deepEqual([messages, hasEnded], [[INODE(5)], false])
  await goOn()
  await Promise.all([followed, ended])
  await notifications.inode(8)
  assert.deepEqual(messages, [INODE(5)])
})
