/** A tree of names put in order: which names are kept, and what is said of the others. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { EPOCH, type Kind, newInode, planned } from './inode.ts'
import { ROOT_INO } from './records.ts'
import { type NameRecord, repairNames } from './repair-names.ts'

/** What becomes of names, each `directory/name` and where it leads to, and of inodes. */
function repaired(kinds: Readonly<Record<number, Kind>>, names: Readonly<Record<string, number>>) {
  const inodes = new Map(
    Object.entries(kinds).map(([ino, kind]) => [
      Number(ino),
      newInode(planned(kind), { generation: 0, links: 1, now: EPOCH }),
    ]),
  )
  const records = Object.entries(names).map(([place, ino]): NameRecord => {
    const [directory, name] = place.split('/') as [string, string]
    return { directory: Number(directory), name, ino, kind: 'file' }
  })
  const givenUp: string[] = []
  const found = new Map<number, string>()
  const left = { inodes, names: records, orphans: new Set<number>(), restored: new Set<number>() }
  const { links, pathOf } = repairNames({ ...left, found, nextIno: 100, givenUp })
  const kept = links.map(({ directory, name, ino }) => `${directory}/${name} ${ino}`)
  return { kept, givenUp, pathOf, inodes }
}

test('a directory keeps the name that it is reached by first, and no name leads up to one that is reached', () => {
  const { kept, givenUp, inodes } = repaired(
    { [ROOT_INO]: 'directory', 2: 'directory', 3: 'directory', 4: 'file' },
    { '1/a': 2, '2/b': 3, '3/root': ROOT_INO, '3/a': 2, '3/file': 4 },
  )
  assert.deepEqual(kept, ['1/a 2', '2/b 3', '3/file 4'])
  assert.deepEqual(givenUp, [
    'the name "root" in directory 3: it leads to a directory that has a name already',
    'the name "a" in directory 3: it leads to a directory that has a name already',
  ])
  assert.deepEqual(
    [ROOT_INO, 2, 3].map(ino => [inodes.get(ino)!.parent, inodes.get(ino)!.links]),
    [
      [ROOT_INO, 3],
      [ROOT_INO, 3],
      [2, 2],
    ],
  )
})

test('directories that lead to each other alone are found once (RN1), by the lower number', () => {
  const { kept, givenUp, pathOf } = repaired(
    { [ROOT_INO]: 'directory', 2: 'directory', 3: 'directory' },
    { '2/down': 3, '3/up': 2 },
  )
  assert.deepEqual(kept, ['1/lost+found 100', '100/2 2', '2/down 3'])
  assert.equal(pathOf(3), '/lost+found/2/down')
  assert.deepEqual(givenUp, [
    'the name of inode 2: it is /lost+found/2 now',
    'the name "up" in directory 3: it leads to a directory that has a name already',
  ])
})
