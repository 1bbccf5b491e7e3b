/** A handful of kills, and promises that are seen to be broken. */
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { tmpdir } from 'node:os'
import { describe, test } from 'node:test'
import { killCampaign } from './campaign.ts'
import type { Files } from './operations.ts'
import { Promises } from './promises.ts'

/** In memory where there is such a place: what a kill leaves is in the host's cache anyway, and needs no disk. */
const DIRECTORY = fs.existsSync('/dev/shm') ? '/dev/shm' : tmpdir()

test('a process that is killed at random loses nothing that it has promised, and leaves a clean volume', async () => {
  const seed = 1
  const { failure, kills } = await killCampaign({ seed, kills: 3, directory: DIRECTORY })
  assert.equal(failure, null, `npm run kill -- --seed ${seed} --kills ${kills}: ${failure?.why}`)
})

function held(pages: Readonly<Record<string, number[]>>, owner = 0): Files {
  return new Map(Object.entries(pages).map(([name, stamps]) => [name, { pages: stamps, owner, note: 0 }]))
}

describe('a promise', () => {
  const world = () => {
    const promises = new Promises(held({ '/a': [1, 1] }))
    promises.begun({ kind: 'write', name: '/a', page: 1, count: 2 }, 7)
    return promises
  }

  test('not made yet lets the old and the new pass, page by page, and nothing else', () => {
    for (const pages of [
      [1, 1],
      [1, 7],
      [1, 1, 7],
      [1, 7, 0],
    ])
      assert.equal(world().wrong(held({ '/a': pages })), undefined)
    assert.match(world().wrong(held({ '/a': [7, 1] }))!, /page 0 of \/a holds 7, expected one of 1/)
    assert.match(world().wrong(held({ '/a': [1] }))!, /at least 2 were promised/)
    assert.match(world().wrong(new Map())!, /the names are/)
  })

  test('made by a sync lets only the new pass, of names too', () => {
    const promises = world()
    promises.begun({ kind: 'rename', name: '/a', to: '/b' }, 8)
    promises.begun({ kind: 'sync', name: '/b' }, 9)
    assert.equal(promises.wrong(held({ '/a': [1, 1] })), undefined)
    promises.done({ kind: 'sync', name: '/b' })
    assert.equal(promises.wrong(held({ '/b': [1, 7, 7] })), undefined)
    assert.match(promises.wrong(held({ '/b': [1, 1, 7] }))!, /page 1 of \/b holds 1/)
    assert.match(promises.wrong(held({ '/a': [1, 7, 7] }))!, /the names are \/a/)
  })

  test('made by a sync of any file lets only the new owner pass', () => {
    const promises = new Promises(held({ '/a': [], '/b': [] }))
    promises.begun({ kind: 'own', name: '/a' }, 7)
    const found = held({ '/a': [], '/b': [] })
    assert.equal(promises.wrong(found), undefined)
    promises.begun({ kind: 'sync', name: '/b' }, 8)
    promises.done({ kind: 'sync', name: '/b' })
    assert.match(promises.wrong(found)!, /\/a belongs to 0, expected one of 7/)
  })
})
