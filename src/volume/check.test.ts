/** What is new to format 2, broken on purpose: the check says each in a sentence, and what a repair makes of it has nothing wrong. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { errno } from '../base/index.ts'
import { check } from './check.ts'
import { MIX53 } from './checksum.ts'
import { LOST, WRITTEN } from './extents.ts'
import { encodeNumbers } from './fields.ts'
import { decodeInode, encodeInode, type Inode, planned } from './inode.ts'
import { MemoryStore } from './memory-store.ts'
import { Overlay } from './overlay.ts'
import {
  attributePrefix,
  decodeNumbers,
  decodeState,
  encodeLink,
  encodeState,
  hex,
  inodeKey,
  linkKey,
  ROOT_INO,
  STATE_KEY,
  targetPrefix,
} from './records.ts'
import { repair } from './repair.ts'
import { snapshotArgs } from './snapshot.ts'
import type { Volume } from './volume.ts'
import { ok, PAGE, VolumeWorld } from './volume-world.suite.ts'

const EARLY = { seconds: 1, nanoseconds: 0 }
const WORDS = new TextEncoder().encode('words')

interface Numbers {
  readonly d: number
  readonly e: number
  readonly f: number
  readonly link: number
  readonly sealed: number
  readonly inSealed: number
}

/** Directories, a file with data and long attributes, a link, a device, a sealed snapshot. */
function filled(): { readonly at: VolumeWorld; readonly numbers: Numbers } {
  const at = new VolumeWorld()
  const { volume } = at
  ok(volume.create('/d', 'directory'))
  ok(volume.create('/d/e', 'directory'))
  at.close(at.create('/d/f', 2))
  ok(volume.create('/d/link', { ...planned('symlink'), target: 'x'.repeat(3000) }))
  ok(volume.create('/null', { ...planned('char device'), rdev: 0x103 }))
  const ino = (path: string) => ok(volume.stat(path, 'itself')).ino
  ok(volume.inodes.setxattr(ino('/d/f'), 'user.long', new Uint8Array(5000).fill(7), 'set', EARLY))
  ok(volume.inodes.setxattr(ino('/d/f'), 'user.short', WORDS, 'set', EARLY))
  const task = at.world.spawn(volume.snapshot, snapshotArgs({ from: '/d', to: '/s', mode: 'r' }))
  assert.equal(at.world.says(task), 'done')
  at.commit()
  at.recount()
  const numbers = {
    d: ino('/d'),
    e: ino('/d/e'),
    f: ino('/d/f'),
    link: ino('/d/link'),
    sealed: ino('/s'),
    inSealed: ino('/s/f'),
  }
  return { at, numbers }
}

type Break = (overlay: Overlay, numbers: Numbers) => void

function change(overlay: Overlay, ino: number, to: Partial<Inode>): void {
  overlay.put(inodeKey(ino), encodeInode({ ...decodeInode(overlay.get(inodeKey(ino)), ino), ...to }))
}

const BREAKS: readonly (readonly [about: string, act: Break, says: RegExp])[] = [
  [
    'N1: links of a directory',
    (overlay, { d }) => change(overlay, d, { links: 9 }),
    /directory \d+ has 3 links, and 9 are written down/,
  ],
  [
    'N1: links of a file',
    (overlay, { f }) => change(overlay, f, { links: 2 }),
    /inode \d+ has 1 names, and 2 are written down/,
  ],
  [
    'N5: the directory that one lies in',
    (overlay, { e }) => change(overlay, e, { parent: ROOT_INO }),
    /directory \d+ lies in directory \d+, and 1 is written down/,
  ],
  [
    'N4: what lies in a sealed directory',
    (overlay, { inSealed }) => change(overlay, inSealed, { sealed: false }),
    /which is sealed, and isn't sealed/,
  ],
  [
    'E3: blocks',
    (overlay, { f }) => change(overlay, f, { blocks: 7 }),
    /has 2 blocks, and 7 are written down/,
  ],
  [
    'a kind that an entry tells otherwise',
    (overlay, { d, f }) => overlay.put(linkKey(d, 'f'), encodeLink({ ino: f, kind: 'fifo' })),
    /leads to a fifo, and inode \d+ is a file/,
  ],
  [
    'a name that is spelt otherwise',
    (overlay, { d, f }) => {
      overlay.delete(linkKey(d, 'f'))
      overlay.put(`${linkKey(d, '')}%66`, encodeLink({ ino: f, kind: 'file' }))
    },
    /is spelt in another way than its own/,
  ],
  [
    'PV1: a piece that is missing',
    (overlay, { f }) => overlay.delete(`${attributePrefix(f, 'user.long')}/02`),
    /has none before it|has \d+ bytes, expected 5000/,
  ],
  [
    'PV1: the last piece',
    (overlay, { f }) => overlay.delete(`${attributePrefix(f, 'user.long')}/04`),
    /has 4096 bytes, expected 5000/,
  ],
  [
    'PV1: the first piece',
    (overlay, { link }) => overlay.delete(`${targetPrefix(link)}/00`),
    /has none before it/,
  ],
  [
    'a link that leads nowhere',
    (overlay, { link }) => {
      for (const piece of ['00', '01', '02']) overlay.delete(`${targetPrefix(link)}/${piece}`)
    },
    /symbolic link \d+ leads nowhere/,
  ],
  [
    'the length of a link',
    (overlay, { link }) => change(overlay, link, { size: 4 }),
    /leads to 3000 bytes, and 4 are written down/,
  ],
  [
    'N3: attributes of nobody',
    overlay => overlay.put(`${attributePrefix(999, 'user.a')}/00`, Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0, 5)),
    /inode 999 has attributes, and there is no such inode/,
  ],
  [
    'N3: a target of what is no link',
    (overlay, { f }) => overlay.put(`${targetPrefix(f)}/00`, Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0, 5)),
    /leads somewhere, and is no symbolic link/,
  ],
  [
    'an inode of format 1',
    (overlay, { f }) => overlay.put(inodeKey(f), encodeNumbers(1, 1, 8192)),
    /inode \d+ is of format 1, in a volume of format 2/,
  ],
  [
    'a mode that is none',
    (overlay, { f }) => {
      const bytes = overlay.get(inodeKey(f))!.slice()
      bytes[3] = 0xff
      overlay.put(inodeKey(f), bytes)
    },
    /which is none/,
  ],
  [
    'a time that is none',
    (overlay, { f }) => {
      const bytes = overlay.get(inodeKey(f))!.slice()
      bytes[83] = 0xff
      overlay.put(inodeKey(f), bytes)
    },
    /has a time that is none/,
  ],
  [
    'a kind that is none',
    (overlay, { f }) => {
      const bytes = overlay.get(inodeKey(f))!.slice()
      bytes[0] = 8
      overlay.put(inodeKey(f), bytes)
    },
    /of the unknown kind 8/,
  ],
]

function repaired({ parts, header }: Volume) {
  const { records, givenUp } = repair(parts.overlay, { header, bad: new Set(), present: Infinity })!
  const overlay = new Overlay(new MemoryStore(parts.scheduler), MIX53)
  overlay.edit(() => {
    for (const { key, value } of records) overlay.put(key, value)
  })
  return { overlay, givenUp }
}

describe('what format 2 says of itself', () => {
  for (const [about, act, says] of BREAKS)
    it(`is checked and repaired: ${about}`, () => {
      const { at, numbers } = filled()
      const { overlay } = at.volume.parts
      assert.equal(overlay.edit(() => act(overlay, numbers)).kind, 'done')
      const { wrong } = at.volume.check()
      assert.ok(
        wrong.some(sentence => says.test(sentence)),
        wrong.join('\n') || 'nothing is wrong',
      )
      const { overlay: mended } = repaired(at.volume)
      assert.deepEqual(check(mended, at.volume.header).report.wrong, [])
    })

  it('says what may not be changed: what is sealed', () => {
    const { volume } = filled().at
    assert.deepEqual(
      ['/d/f', '/s', '/s/f', '/none'].map(path => volume.mayChange(path).errno),
      [errno.OK, errno.EROFS, errno.EROFS, errno.ENOENT],
    )
  })

  it('is believed of free blocks only as long as there are so many (VS1)', () => {
    const { at } = filled()
    const { overlay } = at.volume.parts
    const { size } = at.volume.usage
    const state = decodeState(overlay.get(STATE_KEY))
    const says = overlay.edit(() =>
      overlay.put(STATE_KEY, encodeState({ ...state, free: size, deferred: 5 })),
    )
    assert.equal(says.kind, 'done')
    assert.equal(at.world.says(at.allocate(at.open('/d/f'), 4 * PAGE, PAGE)), 'EUCLEAN')
    assert.match(at.volume.damage.join(), /VS1: of \d+ blocks \d+ are free and 5 wait for a commit/)
  })

  it('is kept by a repair where nothing of it is lost (RR3)', () => {
    const { at } = filled()
    const { overlay, givenUp } = repaired(at.volume)
    assert.deepEqual(givenUp, [])
    const all = (of: Overlay) => [...of.range('', '~')].filter(({ key }) => /^[aidy]/.test(key))
    assert.deepEqual(all(overlay), all(at.volume.parts.overlay))
  })

  it('is told where it is lost: attributes, links, and whose a file was (RR4)', () => {
    const { at, numbers } = filled()
    const image = at.image()
    const flip = (key: string) => {
      const entry = image.store.find(([name]) => name === key)!
      entry[1][0]! ^= 1
    }
    flip(inodeKey(numbers.f))
    flip(inodeKey(numbers.e))
    flip(`${targetPrefix(numbers.link)}/00`)
    flip(`${attributePrefix(numbers.inSealed, 'user.long')}/01`)
    const later = new VolumeWorld({ image })
    assert.equal(later.volume.check().wrong.length > 0, true)
    const { overlay, givenUp } = repaired(later.volume)
    assert.deepEqual(check(overlay, later.volume.header).report.wrong, [])
    const told = givenUp.join('\n')
    assert.match(told, /\/d\/f \(inode \d+\): its owner, mode and times/)
    assert.match(told, /\/d\/e \(inode \d+\): its owner, mode and times/)
    assert.match(told, /the name "link"/)
    assert.match(told, /\/s\/f \(inode \d+\): its attribute "user.long"/)
    const { blockSize } = later.volume.header
    assert.equal(decodeInode(overlay.get(inodeKey(numbers.f)), 0).size, 2 * blockSize)
    const runs = [...overlay.range(`e${hex(numbers.f)}`, `e${hex(numbers.f + 1)}`)]
    const tags = runs.map(({ value }) => decodeNumbers(value, 3, 'a run')[2])
    assert.deepEqual(tags, [WRITTEN, LOST], 'RR2: all but the page that may end anywhere')
    assert.equal(decodeInode(overlay.get(inodeKey(numbers.f)), 0).mode, 0o600, 'nobody sees more than before')
  })
})
