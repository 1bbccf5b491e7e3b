/**
 * The real driver: the event loop. I/O callbacks complete tickets and call `pump`; timers are one setTimeout, set for
 * the earliest of them. This file and the doors are all that knows of the event loop.
 *
 *     pump pump pump | SLICE is used up: setImmediate | timers, I/O | pump pump ...
 *
 * A turn is setImmediate and not a message to oneself: Node hands out up to a thousand messages in one callback, and
 * neither timers nor I/O come between them. Browsers have no setImmediate, and let timers come between messages.
 *
 * Invariants
 *   DV1  Whenever a task is ready, `pump` is running or is about to: at the end of the present callback, or, when its
 *       slice is used up, after other callbacks have had a turn.
 *   DV2  Nothing runs inside a section of a program.
 *   DV3  Between two turns of the event loop a call of `pump` begins no attempt after all of them together have had SLICE of their own
 *       time.
 *   DV4  What is left when the task that a caller awaits has ended runs at the end of the present callback.
 */
import { MS, type Ns } from '../base/index.ts'
import type { Driver, Scheduler } from './scheduler.ts'
import type { Task } from './task.ts'

const SLICE: Ns = MS

// hot: in Node the global is found through a getter, each time
const clock = performance

export class RealDriver implements Driver {
  private readonly origin = clock.now()
  /** How far time has leapt, in the last moments of the process. */
  private leapt: Ns = 0
  private scheduler: Scheduler | undefined
  private timer: ReturnType<typeof setTimeout> | undefined
  private timerAt: Ns = Infinity
  /** While a section of a program runs nothing else may: what it has stored could still be taken back. */
  inSection = false
  private pumping = false
  /** Callers that wait (D4). */
  private callers = 0
  private closed = false
  private asked: 'nothing' | 'soon' | 'a turn later' = 'nothing'
  /** Whether the microtask of `wake` is still to come. */
  private microtask = false
  /** How much of SLICE has been used since the last turn that was asked for. */
  private spent: Ns = 0
  private readonly turns = new Turns(() => {
    this.asked = 'nothing'
    this.spent = 0
    this.pump()
  })

  attach(scheduler: Scheduler): void {
    this.scheduler = scheduler
  }

  now(): Ns {
    return Math.round((clock.now() - this.origin) * MS) + this.leapt
  }

  wake(): void {
    if (this.pumping || this.asked !== 'nothing') return
    this.asked = 'soon'
    if (this.microtask) return
    this.microtask = true
    queueMicrotask(this.pumpIfAsked)
  }

  /**
   * Runs what is ready now, unless its slice is used up; what is left when `awaited` has ended comes after the caller (DV4).
   * Doors and I/O callbacks call it; inside an attempt it does nothing.
   */
  pump(awaited?: Task): void {
    const scheduler = this.scheduler!
    if (this.pumping || this.closed || this.asked === 'a turn later' || scheduler.current !== undefined)
      return
    if (this.inSection) {
      this.wake()
      return
    }
    if (this.asked === 'soon') this.asked = 'nothing'
    const began = this.now()
    if (!scheduler.hasWork(began)) {
      this.arm(scheduler.timers.next)
      return
    }
    if (this.spent >= SLICE) {
      this.takeTurn()
      return
    }
    this.pumping = true
    try {
      scheduler.run(SLICE - Math.min(SLICE, this.spent), awaited)
    } finally {
      this.pumping = false
      const ended = this.now()
      this.spent += ended - began
      // When an attempt threw, too: the other tasks go on (DV1).
      if (!scheduler.hasWork(ended)) this.arm(scheduler.timers.next)
      else if (awaited?.state === 'ended' && this.spent < SLICE) this.wake()
      else this.takeTurn()
    }
  }

  private readonly pumpIfAsked = () => {
    this.microtask = false
    if (this.asked !== 'soon') return
    this.asked = 'nothing'
    this.pump()
  }

  /** A caller waits from now on, until `letGo`. */
  hold(): void {
    if (this.callers++ === 0) keepsAlive(this.timer, 'yes')
  }

  letGo(): void {
    if (--this.callers === 0) keepsAlive(this.timer, 'no')
  }

  /**
   * The process ends, and no event loop turns any more: runs until `isOver`, or until nothing is left to be run. `step` makes a
   * call of the host, and says whether there was one; time leaps to what is waited for. Inside an attempt it does nothing.
   */
  runOut(step: () => boolean, isOver: () => boolean): void {
    const scheduler = this.scheduler!
    if (scheduler.current !== undefined) return
    this.pumping = true
    for (;;) {
      scheduler.run(Infinity)
      if (isOver()) return
      if (step()) continue
      const { next } = scheduler.timers
      if (next === Infinity) return
      this.leapt += Math.max(0, next - this.now())
    }
  }

  /** Nothing runs after it; ends of I/O that come late are ignored. */
  close(): void {
    this.closed = true
    clearTimeout(this.timer)
    this.timer = undefined
    this.turns.close()
  }

  /** Goes on after other callbacks have run. */
  private takeTurn(): void {
    if (this.asked === 'a turn later') return
    this.asked = 'a turn later'
    this.turns.ask()
  }

  private arm(at: Ns): void {
    if (at === this.timerAt) return
    clearTimeout(this.timer)
    this.timerAt = at
    if (at === Infinity) return
    this.timer = setTimeout(
      () => {
        this.timerAt = Infinity
        this.pump()
      },
      Math.max(0, Math.ceil((at - this.now()) / MS)),
    )
    if (this.callers === 0) keepsAlive(this.timer, 'no')
  }
}

/** Whether the process stays for a timer; of browsers' timers it can't be said. */
function keepsAlive(timer: ReturnType<typeof setTimeout> | undefined, answer: 'yes' | 'no'): void {
  const known: { ref?(): void; unref?(): void } | undefined = typeof timer === 'object' ? timer : undefined
  if (answer === 'yes') known?.ref?.()
  else known?.unref?.()
}

/** Asks for a turn of the event loop. A turn that is asked for keeps the process alive. */
class Turns {
  private readonly turn: () => void
  private immediate: NodeJS.Immediate | undefined
  private readonly channel: InstanceType<typeof MessageChannel> | undefined

  constructor(turn: () => void) {
    this.turn = turn
    if (typeof setImmediate === 'function') return
    this.channel = new MessageChannel()
    this.channel.port1.addEventListener('message', turn)
    this.channel.port1.start()
  }

  ask(): void {
    if (this.channel === undefined) this.immediate = setImmediate(this.turn)
    else this.channel.port2.postMessage(0)
  }

  close(): void {
    if (this.immediate !== undefined) clearImmediate(this.immediate)
    this.channel?.port1.close()
  }
}
