/**
 * Who waits for whom, in words: from each task that waits for a lock to the I/O at the end of the chain.
 */
import type { RwLock } from '../lock/index.ts'
import type { Task, Waitable } from '../sched/index.ts'
import type { Machine } from './machine.ts'

/** The longest chain that there is, one sentence for each link; a `/proc` reader's if one waits. */
export function chainOf(machine: Machine): string[] {
  const waiting = [...machine.engine.scheduler.tasks.values()].filter(task => task.state === 'waiting')
  const { proc } = machine.engine.verbs
  const chains = waiting.map(task => chainFrom(machine, task))
  chains.sort(
    (left, right) => Number(right.reader) - Number(left.reader) || right.links.length - left.links.length,
  )
  return chains[0]?.links ?? []

  function chainFrom(machine: Machine, task: Task): { readonly reader: boolean; readonly links: string[] } {
    const links: string[] = []
    const seen = new Set<Task>()
    for (let at: Task | undefined = task; at !== undefined && !seen.has(at); at = inTheWay(at)) {
      seen.add(at)
      links.push(linkOf(machine, at))
    }
    return { reader: task.verb === proc, links }
  }
}

/** `c (proc maps) waits for mmap_lock of app for reading, behind b`. */
function linkOf(machine: Machine, task: Task): string {
  const name = `${machine.letterOf(task)} (${task.name})`
  const keeps = task.held.map(
    ({ lock, mode }) => `${lock.name} for ${mode === 'read' ? 'reading' : 'writing'}`,
  )
  const holding = keeps.length === 0 ? '' : `, and keeps ${keeps.join(' and ')}`
  const { wait } = task
  if (task.state === 'ready') return `${name} can go on${holding}`
  const blocker = inTheWay(task)
  const behind = blocker === undefined ? '' : `, behind ${machine.letterOf(blocker)}`
  return `${name} waits for ${wait!.ticket.what}${behind}${holding}`
}

/** The task that must move before this one can; undefined: it isn't a task that it waits for. */
function inTheWay(task: Task): Task | undefined {
  const on = task.wait?.on
  if (task.state !== 'waiting' || on === undefined) return undefined
  return aheadInQueue(on, task) ?? on.holders().find(holder => holder !== task)
}

/** Readers queue behind a waiting writer although other readers hold the lock. */
function aheadInQueue(on: Waitable, task: Task): Task | undefined {
  if (!('waiters' in on)) return undefined
  const waiters = (on as RwLock).waiters()
  const place = waiters.findIndex(waiter => waiter.task === task)
  return waiters.slice(0, Math.max(0, place)).findLast(waiter => waiter.mode === 'write')?.task
}
