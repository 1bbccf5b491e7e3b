/**
 * The real driver: the event loop. I/O callbacks complete tickets and call `pump`; timers are one setTimeout, set for
 * the earliest of them. This file and the doors are all that knows of the event loop.
 *
 * Invariants
 *   D1  Whenever a task is ready, `pump` is running or is about to: at the end of the present callback, or, when its
 *       slice is used up, after other callbacks have had a turn.
 *   D2  Nothing runs inside a section of a program.
 *   D3  One call of `pump` begins no attempt later than one attempt after SLICE.
 */
import { MS, type Ns } from '../base/index.ts'
import type { Driver, Scheduler } from './scheduler.ts'

const SLICE: Ns = 2 * MS

// hot: in Node the global is found through a getter, each time
const clock = performance

export class RealDriver implements Driver {
  private readonly origin = clock.now()
  private scheduler: Scheduler | undefined
  private timer: ReturnType<typeof setTimeout> | undefined
  private timerAt: Ns = Infinity
  /** While a section of a program runs nothing else may: what it has stored could still be taken back. */
  inSection = false
  private pumping = false
  private closed = false
  private asked: 'nothing' | 'soon' | 'a turn later' = 'nothing'
  /** Whether the microtask of `wake` is still to come. */
  private microtask = false
  private readonly channel = new MessageChannel()

  constructor() {
    this.channel.port1.addEventListener('message', () => {
      this.hold('unref')
      this.asked = 'nothing'
      this.pump()
    })
    this.channel.port1.start()
    this.hold('unref')
  }

  attach(scheduler: Scheduler): void {
    this.scheduler = scheduler
  }

  now(): Ns {
    return Math.round((clock.now() - this.origin) * MS)
  }

  wake(): void {
    if (this.pumping || this.asked !== 'nothing') return
    this.asked = 'soon'
    if (this.microtask) return
    this.microtask = true
    queueMicrotask(this.pumpIfAsked)
  }

  /** Runs what is ready now. Doors and I/O callbacks call it; inside an attempt it does nothing. */
  pump(): void {
    const scheduler = this.scheduler!
    if (this.pumping || this.closed || scheduler.current !== undefined) return
    if (this.inSection) {
      this.wake()
      return
    }
    if (this.asked === 'soon') this.asked = 'nothing'
    this.pumping = true
    try {
      scheduler.run(SLICE)
    } finally {
      this.pumping = false
    }
    if (scheduler.hasWork()) this.takeTurn()
    else this.arm(scheduler.timers.next)
  }

  private readonly pumpIfAsked = () => {
    this.microtask = false
    if (this.asked !== 'soon') return
    this.asked = 'nothing'
    this.pump()
  }

  /** Nothing runs after it; ends of I/O that come late are ignored. */
  close(): void {
    this.closed = true
    clearTimeout(this.timer)
    this.timer = undefined
    this.channel.port1.close()
  }

  /** Goes on after other callbacks have run. */
  private takeTurn(): void {
    if (this.asked === 'a turn later') return
    this.asked = 'a turn later'
    this.hold('ref')
    this.channel.port2.postMessage(0)
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
  }

  /** In Node a port keeps the process alive; only a turn that is asked for should. Browsers have no such notion. */
  private hold(word: 'ref' | 'unref'): void {
    const port: { ref?(): void; unref?(): void } = this.channel.port1
    port[word]?.()
  }
}
