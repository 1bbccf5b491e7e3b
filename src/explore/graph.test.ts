/** Shortest ways and circles, on graphs that can be seen at a glance. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { StateGraph } from './graph.ts'

function graphOf(states: number, edges: readonly (readonly [number, number])[]): StateGraph {
  const graph = new StateGraph()
  for (let state = 0; state < states; state++) graph.addState()
  for (const [from, to] of edges) graph.addEdge(from, to)
  return graph
}

test('the shortest way goes to the nearest goal', () => {
  const graph = graphOf(6, [
    [0, 1],
    [1, 2],
    [2, 3],
    [0, 4],
    [4, 3],
    [3, 5],
  ])
  assert.deepEqual(graph.shortestPath(new Set([3, 5])), [0, 4, 3])
  assert.deepEqual(graph.shortestPath(new Set([0])), [0])
})

test('a circle is a state on it, not one that it leads to', () => {
  const edges = [
    [0, 1],
    [1, 2],
    [2, 1],
    [2, 3],
  ] as const
  assert.equal(graphOf(4, edges).cycle(), 1)
})

test('ways that meet again are no circle', () => {
  const edges = [
    [0, 1],
    [0, 2],
    [1, 3],
    [2, 3],
  ] as const
  assert.equal(graphOf(4, edges).cycle(), -1)
})
