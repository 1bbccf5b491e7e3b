/** The tree of groups: who is whose parent, child and ancestor. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AssertionError } from './assert.ts'
import { GroupTree, ROOT } from './group-tree.ts'

test('a group has its parent, its children in the order they came, and itself and those above it for ancestors (G1)', () => {
  const tree = new GroupTree()
  const [a, b] = [tree.create(ROOT), tree.create(ROOT)]
  const [below, other] = [tree.create(a), tree.create(b)]
  const second = tree.create(a)
  assert.equal(tree.last, second)
  assert.deepEqual([tree.parent(ROOT), tree.parent(a), tree.parent(below)], [0, ROOT, a])
  assert.deepEqual(tree.children(ROOT), [a, b])
  assert.deepEqual(tree.children(a), [below, second])
  assert.deepEqual(tree.children(second), [])
  assert.ok(tree.isWithin(below, below) && tree.isWithin(below, a) && tree.isWithin(below, ROOT))
  assert.ok(!tree.isWithin(a, below) && !tree.isWithin(other, a))
})

test('a parent that is no group is refused (G1)', () => {
  const tree = new GroupTree()
  for (const parent of [0, -1, 2]) assert.throws(() => tree.create(parent), AssertionError)
})
