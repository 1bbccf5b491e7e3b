/**
 * The graph of states that an exploration has found: which state leads to which. State 0 is the beginning.
 */
export class StateGraph {
  states = 0
  private readonly from: number[] = []
  private readonly to: number[] = []

  addState(): number {
    return this.states++
  }

  addEdge(from: number, to: number): void {
    this.from.push(from)
    this.to.push(to)
  }

  /** The shortest way from the beginning to the nearest of `goals`, as states. */
  shortestPath(goals: ReadonlySet<number>): number[] {
    const { starts, targets } = this.rows()
    const before = new Int32Array(this.states).fill(-2)
    before[0] = -1
    const queue = [0]
    for (const state of queue) {
      if (goals.has(state)) return pathTo(state, before)
      for (let at = starts[state]!; at < starts[state + 1]!; at++) {
        const next = targets[at]!
        if (before[next] !== -2) continue
        before[next] = state
        queue.push(next)
      }
    }
    return []
  }

  /** A state that can be reached from itself, or -1: without one, whoever goes on gets to an end. */
  cycle(): number {
    const { starts, targets } = this.rows()
    const next = starts.slice()
    const onPath = new Uint8Array(this.states)
    const path = [0]
    onPath[0] = 1
    for (let state = path.at(-1); state !== undefined; state = path.at(-1)) {
      if (next[state]! === starts[state + 1]!) {
        onPath[state] = 0
        path.pop()
        continue
      }
      const to = targets[next[state]!++]!
      if (onPath[to] === 1) return to
      if (next[to] !== starts[to]) continue
      onPath[to] = 1
      path.push(to)
    }
    return -1
  }

  /** Edges sorted by where they begin: those of state s are targets[starts[s]] to targets[starts[s + 1] - 1]. */
  private rows(): { readonly starts: Int32Array; readonly targets: Int32Array } {
    const starts = new Int32Array(this.states + 1)
    for (const state of this.from) starts[state + 1]!++
    for (let state = 0; state < this.states; state++) starts[state + 1]! += starts[state]!
    const targets = new Int32Array(this.from.length)
    const next = starts.slice()
    for (let edge = 0; edge < this.from.length; edge++) targets[next[this.from[edge]!]!++] = this.to[edge]!
    return { starts, targets }
  }
}

function pathTo(state: number, before: Int32Array): number[] {
  const path: number[] = []
  for (let at = state; at !== -1; at = before[at]!) path.push(at)
  return path.reverse()
}
