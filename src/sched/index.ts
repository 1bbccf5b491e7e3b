/**
 * Time, tickets, tasks, and the loop of attempts. The only room below the doors that knows of clocks and the event loop.
 *
 * A thing that takes time is a ticket. Whoever needs it returns `wait(ticket, why)` from an attempt and is called again
 * when the ticket is complete. There is no other way to wait.
 */
export { Alarm, type Chore } from './alarm.ts'
export {
  type Again,
  again,
  type Done,
  done,
  type Fail,
  fail,
  type Outcome,
  queue,
  type Wait,
  type Why,
  wait,
} from './outcome.ts'
export { RealDriver } from './real.ts'
export { type Driver, type Keeper, Scheduler, type Spawn, type Watcher, watchers } from './scheduler.ts'
export { does, type Held, holds, type Lock, releaseAll, type Task, type Verb } from './task.ts'
export type { Ticket, Waitable } from './ticket.ts'
export { TimedDriver } from './timed.ts'
