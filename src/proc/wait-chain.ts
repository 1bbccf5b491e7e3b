/**
 * Who makes whom wait: the chain from a waiting task to what the last one waits for. What /proc/<pid>/stack and wchan
 * would tell, put together.
 *
 *     monitor  waits for mmap_lock (reading)  behind forker, queued for writing  <-  writer holds it  <-  writeback of page 7
 *
 * A fair lock makes its queue part of the chain: a reader behind a queued writer waits for the writer, who waits for the
 * holders. The chain follows the first holder that itself waits.
 *
 * Invariants
 *   WC1 A chain ends: at something that isn't a task, or at a task that is in it already.
 */
import type { RwLock } from '../lock/index.ts'
import type { Task, Why } from '../sched/index.ts'

export interface Link {
  readonly task: string
  /** Locks it holds, in words: "mmap_lock of batch for reading". */
  readonly holds: readonly string[]
  readonly why: Why
  /** What it waits for, in words: "write of data.bin page 7". */
  readonly waitsFor: string
}

/** `nameOf`: what a task is called in the chain. */
export function waitChain(first: Task, nameOf: (task: Task) => string = task => task.name): Link[] {
  const chain: Link[] = []
  const seen = new Set<Task>()
  for (
    let task: Task | undefined = first;
    task?.wait !== undefined && !seen.has(task);
    task = blockerOf(task)
  ) {
    seen.add(task)
    chain.push({
      task: nameOf(task),
      holds: task.held.map(({ lock, mode }) => `${lock.name} for ${mode === 'read' ? 'reading' : 'writing'}`),
      why: task.wait.why,
      waitsFor: task.wait.ticket.what,
    })
  }
  return chain
}

/** "monitor waits for mmap_lock of batch for reading, behind forker, which waits for …" */
export function chainSentence(chain: readonly Link[]): string {
  const words = chain.map(({ task, holds, why, waitsFor }, at) => {
    const holding = at > 0 && holds.length > 0 ? ` holds ${holds.join(' and ')} and` : ''
    const goal = why === 'lock' || why === 'vma lock' || why === 'read' ? waitsFor : `${why} (${waitsFor})`
    return at === 0 ? `${task} waits for ${goal}` : `${task}, which${holding} waits for ${goal}`
  })
  return words.join(', behind ')
}

/** The task whose move a waiting task needs: one ahead of it in the queue, or a holder; a waiting one if there is. */
export function blockerOf(task: Task): Task | undefined {
  const { on } = task.wait!
  if (on === undefined) return undefined
  const queue = 'waiters' in on ? (on as RwLock).waiters() : []
  const place = queue.findIndex(waiter => waiter.task === task)
  const ahead = queue.slice(0, Math.max(0, place)).find(waiter => waiter.mode === 'write')?.task
  const others = on.holders().filter(holder => holder !== task)
  return ahead ?? others.find(holder => holder.state === 'waiting') ?? others[0]
}
