/** SV1: no verb changes a VMA while a reader is inside it, neither one of its range nor a neighbour that it becomes one with. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RW, World } from '../engine/world.suite.ts'
import { disciplineNamed, PROT_READ } from '../mm/index.ts'

for (const side of ['left', 'right'] as const)
  test(`a change waits for a reader of the neighbour on its ${side}, which becomes one with it (SV1)`, () => {
    const world = new World({ discipline: disciplineNamed('vma-hold')! })
    const data = world.file('data', { pages: 6 })
    const space = world.space('app')
    const at = world.map(space, data, { share: 'private', prot: PROT_READ })
    const [changed, neighbour] = side === 'left' ? [at + 3, at] : [at, at + 3]
    assert.equal(world.says(world.protect(space, changed, 3, RW)), 'done')
    const reader = world.fault(space, neighbour + 1, 'load')
    assert.equal(world.says(reader), 'waits: read')
    const task = world.protect(space, changed, 3, PROT_READ)
    assert.equal(world.says(task), 'waits: vma lock')
    assert.equal(space.vmas.size, 2)
    world.letGo(data)
    assert.deepEqual([world.says(reader), world.says(task)], ['done', 'done'])
    assert.equal(space.vmas.size, 1)
    world.finish()
  })
