/**
 * Who makes whom wait: the chain from a waiting task to the one at its end, which waits for something that isn't a lock, or
 * can go on. What /proc/<pid>/stack and wchan would tell, put together.
 *
 *     monitor  waits for mmap_lock (reading)  behind forker, queued for writing  <-  writer holds it  <-  writeback of page 7
 *
 * Who is in the way of a waiter, the lock says: a fair lock makes its queue part of the chain. Of several the chain follows
 * one that itself can't go on.
 *
 * Invariants
 *   WC1 A chain ends: at something that isn't a lock, at a task that can go on, or at a task that is in it already.
 */
import type { Task } from '../sched/index.ts'

/** The tasks of the chain, first the one that was asked about. */
export function waitChain(first: Task): Task[] {
  const chain = new Set<Task>()
  for (let task: Task | undefined = first; task !== undefined && !chain.has(task); task = blockerOf(task))
    chain.add(task)
  return [...chain]
}

/** The task whose move a waiting task needs, one that can't move if there is such; undefined: it doesn't wait for a task. */
export function blockerOf(task: Task): Task | undefined {
  const others = inTheWay(task)
  return others.find(other => isStuck(other, new Set())) ?? others[0]
}

/** Whether a task waits for a lock that won't come before some I/O ends or time passes, neither of them its own. */
export function hangs(task: Task): boolean {
  return inTheWay(task).some(other => isStuck(other, new Set([task])))
}

function isStuck(task: Task, seen: Set<Task>): boolean {
  if (task.state !== 'waiting') return false
  if (task.wait!.on === undefined || seen.has(task)) return true
  seen.add(task)
  return inTheWay(task).some(other => isStuck(other, seen))
}

function inTheWay(task: Task): readonly Task[] {
  return (task.state === 'waiting' && task.wait!.on?.inTheWay(task)) || []
}

/** "monitor waits for mmap_lock of batch for reading, behind forker, which holds … and waits for …" */
export function chainSentence(chain: readonly Task[], nameOf: (task: Task) => string): string {
  const words = chain.map((task, at) => {
    if (at === 0) return `${nameOf(task)} waits for ${goalOf(task)}`
    const does = [
      ...(task.held.length > 0 ? [`holds ${heldBy(task)}`] : []),
      ...(isWaiting(task) ? [`waits for ${goalOf(task)}`] : []),
    ]
    return does.length === 0 ? nameOf(task) : `${nameOf(task)}, which ${does.join(' and ')}`
  })
  return words.join(', behind ')
}

/** One link by itself: "c (proc maps) waits for mmap_lock of app for reading, behind b, and keeps …" */
export function linkText(task: Task, nameOf: (task: Task) => string, fullNameOf = nameOf): string {
  const keeping = task.held.length === 0 ? '' : `, and keeps ${heldBy(task)}`
  if (!isWaiting(task)) return `${fullNameOf(task)} can go on${keeping}`
  const blocker = blockerOf(task)
  const behind = blocker === undefined ? '' : `, behind ${nameOf(blocker)}`
  return `${fullNameOf(task)} waits for ${task.wait!.ticket.what}${behind}${keeping}`
}

function isWaiting(task: Task): boolean {
  return task.state === 'waiting'
}

function heldBy({ held }: Task): string {
  return held
    .map(({ lock, mode }) => `${lock.name} for ${mode === 'read' ? 'reading' : 'writing'}`)
    .join(' and ')
}

function goalOf({ wait }: Task): string {
  const { why, ticket, on } = wait!
  return on !== undefined || why === 'read' ? ticket.what : `${why} (${ticket.what})`
}
