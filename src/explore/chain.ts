/**
 * Who waits for whom, in words: from each task that waits for a lock to the I/O at the end of the chain.
 */
import type { RwLock } from '../lock/index.ts'
import type { Task } from '../sched/index.ts'
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

/** Whether a task waits for a lock that won't come before some I/O ends or time passes, neither of them its own. */
export function hangs(task: Task): boolean {
  return waitsForLock(task) && blockersOf(task).some(isStuck)
}

function isStuck(task: Task): boolean {
  return task.state === 'waiting' && (!waitsForLock(task) || hangs(task))
}

function waitsForLock({ state, wait }: Task): boolean {
  return state === 'waiting' && (wait!.why === 'lock' || wait!.why === 'vma lock')
}

/** The task that must move before this one can, one that can't if there is such; undefined: it doesn't wait for a task. */
function inTheWay(task: Task): Task | undefined {
  const blockers = waitsForLock(task) ? blockersOf(task) : []
  return blockers.find(isStuck) ?? blockers[0]
}

/** Who holds what a task waits for; or the writer that queues before it, since readers queue behind a waiting writer. */
function blockersOf(task: Task): readonly Task[] {
  const on = task.wait!.on!
  const ahead = 'waiters' in on ? writerAhead(on as RwLock, task) : undefined
  return ahead === undefined ? on.holders() : [ahead]
}

function writerAhead(lock: RwLock, task: Task): Task | undefined {
  const waiters = lock.waiters()
  const place = waiters.findIndex(waiter => waiter.task === task)
  return waiters.slice(0, Math.max(0, place)).findLast(waiter => waiter.mode === 'write')?.task
}
