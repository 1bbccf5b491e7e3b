/**
 * The fair reader/writer lock against the kernel's rules, one by one. Tasks here only take a lock and wait to be told to
 * give it back.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { AssertionError, MS } from '../base/index.ts'
import { done, type Outcome, Scheduler, type Task, TimedDriver, type Verb } from '../sched/index.ts'
import { RANK, RwLock } from './index.ts'
import { chainSentence, hangs, linkText, waitChain } from './wait-chain.ts'

interface Want {
  readonly mode: 'read' | 'write'
  has: boolean
}

/** Takes a lock and holds it until the test lets go. */
class Take implements Verb<Want> {
  readonly name = 'take'
  readonly lock: RwLock
  readonly hold: (task: Task<Want>) => Outcome

  constructor(lock: RwLock, hold: (task: Task<Want>) => Outcome) {
    this.lock = lock
    this.hold = hold
  }

  attempt(task: Task<Want>): Outcome {
    if (task.held.length === 0) {
      const queued = this.lock[task.args.mode](task)
      if (queued !== undefined) return queued
    }
    task.args.has = true
    return this.hold(task)
  }
}

function world() {
  const driver = new TimedDriver()
  const scheduler = new Scheduler(driver)
  const lock = new RwLock(scheduler, 'lock', RANK.mmap)
  const ends = new Map<Task, () => void>()
  const take = new Take(lock, task => {
    if (ends.has(task)) {
      lock.release(task)
      return done
    }
    const ticket = scheduler.ticket('being let go')
    ends.set(task, () => scheduler.complete(ticket))
    return { kind: 'wait', why: 'child', ticket, stash: 0, on: undefined }
  })
  const settle = () => driver.runUntil(scheduler, driver.now())
  /** Begins without running, so that who runs first can be told apart from who came first. */
  const come = (mode: 'read' | 'write', name: string) =>
    scheduler.spawn(take, { mode, has: false }, { name, group: 1 })
  const begin = (mode: 'read' | 'write', name: string) => {
    const task = come(mode, name)
    settle()
    return task
  }
  return {
    driver,
    scheduler,
    lock,
    settle,
    come,
    reader: (name = 'reader') => begin('read', name),
    writer: (name = 'writer') => begin('write', name),
    /** Gives the lock back, and nobody else has run yet. */
    letGo: (task: Task<Want>) => {
      ends.get(task)!()
      scheduler.step(task)
    },
    end: (task: Task<Want>) => {
      ends.get(task)!()
      settle()
    },
    kill: (task: Task<Want>) => {
      scheduler.kill(task)
      settle()
    },
    has: (...tasks: Task<Want>[]) => tasks.map(task => lock.holders().includes(task) && task.args.has),
    later: (ms: number) => driver.runUntil(scheduler, driver.now() + ms * MS),
  }
}

describe('readers', () => {
  it('read together while nobody writes or queues', () => {
    const w = world()
    const [a, b] = [w.reader(), w.reader()]
    assert.deepEqual(w.has(a, b), [true, true])
  })

  it('stop at a waiting writer: it turns the lock into a mutex', () => {
    const w = world()
    const [a, writer, late] = [w.reader(), w.writer(), w.reader()]
    assert.deepEqual(w.has(a, writer, late), [true, false, false])
    w.end(a)
    assert.deepEqual(w.has(writer, late), [true, false])
    w.end(writer)
    assert.deepEqual(w.has(late), [true])
  })

  it('come in as one batch, wherever they stand in the queue, and writers keep their order (phase-fair)', () => {
    const w = world()
    const first = w.writer('first')
    const queue = [w.reader('r1'), w.writer('w1'), w.reader('r2'), w.writer('w2'), w.reader('r3')]
    w.end(first)
    assert.deepEqual(w.has(...queue), [true, false, true, false, true])
    for (const at of [0, 2, 4]) w.end(queue[at]!)
    assert.deepEqual(w.has(queue[1]!, queue[3]!), [true, false])
    w.end(queue[1]!)
    assert.deepEqual(w.has(queue[3]!), [true])
  })

  it('that try again while they queue stay where they are, once', () => {
    const w = world()
    const holder = w.writer('holder')
    const [again, next] = [w.reader('again'), w.writer('next')]
    assert.equal(w.lock.read(again)?.ticket, again.wait!.ticket)
    w.end(holder)
    assert.deepEqual(w.lock.holders(), [again])
    w.end(again)
    assert.deepEqual(w.lock.holders(), [next])
  })

  it('come in 256 at a time', () => {
    const w = world()
    const writer = w.writer()
    const readers = Array.from({ length: 300 }, (_, at) => w.reader(`r${at}`))
    w.end(writer)
    assert.equal(w.lock.holders().length, 256)
    for (const reader of readers.slice(0, 256)) w.end(reader)
    assert.equal(w.lock.holders().length, 44)
  })

  it('steal the lock from a woken writer that hasn’t run yet', () => {
    const w = world()
    const a = w.reader()
    const writer = w.writer()
    const thief = w.come('read', 'thief')
    w.letGo(a)
    w.scheduler.step(thief)
    w.settle()
    assert.deepEqual(w.has(thief, writer), [true, false])
    const second = w.reader('second')
    assert.deepEqual(w.has(second), [false], 'but one alone: a second one queues')
    w.end(thief)
    assert.deepEqual(w.has(writer, second), [true, false])
  })
})

describe('writers', () => {
  it('have the lock alone, and one after the other in the order they came', () => {
    const w = world()
    const [a, b, c] = [w.writer('a'), w.writer('b'), w.writer('c')]
    assert.deepEqual(w.has(a, b, c), [true, false, false])
    w.end(a)
    assert.deepEqual(w.has(b, c), [true, false])
    w.end(b)
    assert.deepEqual(w.has(c), [true])
  })

  it('overtake the queue when the lock lies free', () => {
    const w = world()
    const a = w.writer()
    const waiting = w.writer('waiting')
    const thief = w.come('write', 'thief')
    w.letGo(a)
    w.scheduler.step(thief)
    w.settle()
    assert.deepEqual(w.has(thief, waiting), [true, false])
  })

  it('are overtaken no more once they have waited 4 ms and lost the lock once more (hand-off)', () => {
    const w = world()
    let holder = w.reader()
    const writer = w.writer()
    const overtake = () => {
      const thief = w.come('read', 'thief')
      w.letGo(holder)
      w.scheduler.step(thief)
      w.settle()
      if (w.has(thief)[0]) holder = thief
      return w.has(thief)[0]
    }
    assert.equal(overtake(), true)
    w.later(3)
    assert.equal(overtake(), true)
    w.later(1)
    assert.equal(overtake(), true, 'it was asleep until now: it loses this once, and sets hand-off')
    assert.equal(overtake(), false)
    assert.deepEqual(w.has(writer), [true])
  })

  it('can’t be overtaken by a writer either then, and hand-off ends with the one it was for', () => {
    const w = world()
    const a = w.reader()
    const writer = w.writer()
    w.later(5)
    const thief = w.come('read', 'thief')
    w.letGo(a)
    w.scheduler.step(thief)
    w.settle()
    const other = w.come('write', 'other')
    w.letGo(thief)
    w.scheduler.step(other)
    w.settle()
    assert.deepEqual(w.has(writer, other), [true, false])
    const third = w.come('write', 'third')
    w.letGo(writer)
    w.scheduler.step(third)
    w.settle()
    assert.deepEqual(w.has(third, other), [true, false], 'stealing is allowed again')
  })

  it('become readers without letting a writer in between, and let readers at the head of the queue in', () => {
    const w = world()
    const a = w.writer()
    const reader = w.reader()
    const writer = w.writer()
    w.lock.downgrade(a)
    w.settle()
    assert.deepEqual(w.has(a, reader, writer), [true, true, false])
    assert.equal(a.held[0]!.mode, 'read')
    assert.throws(() => w.lock.downgrade(a), AssertionError)
  })

  it('that become readers leave readers behind a writer where they are', () => {
    const w = world()
    const a = w.writer()
    const writer = w.writer()
    const reader = w.reader()
    w.lock.downgrade(a)
    w.settle()
    assert.deepEqual(w.has(a, writer, reader), [true, false, false])
  })
})

describe('a waiter that is killed', () => {
  it('at the head lets the readers behind it in', () => {
    const w = world()
    const a = w.reader()
    const writer = w.writer()
    const [b, c] = [w.reader(), w.reader()]
    w.kill(writer)
    assert.deepEqual(w.has(a, b, c), [true, true, true])
  })

  it('at the head lets a writer behind it wait on, and have it when its time comes', () => {
    const w = world()
    const a = w.reader()
    const [first, second] = [w.writer('first'), w.writer('second')]
    w.kill(first)
    assert.deepEqual(w.has(second), [false])
    w.end(a)
    assert.deepEqual(w.has(second), [true])
  })

  it('in the middle is missed by nobody', () => {
    const w = world()
    const a = w.writer('a')
    const [b, middle, c] = [w.writer('b'), w.reader('middle'), w.writer('c')]
    w.kill(middle)
    w.end(a)
    assert.deepEqual(w.has(b), [true])
    w.end(b)
    assert.deepEqual(w.has(c), [true])
    w.end(c)
    assert.equal(w.lock.holders().length, 0)
  })

  it('at the tail leaves a lock that works as before', () => {
    const w = world()
    const a = w.reader()
    const writer = w.writer()
    w.kill(writer)
    assert.deepEqual(w.has(w.reader()), [true])
    assert.equal(w.lock.waiters().length, 0)
    w.end(a)
  })

  it('after it was woken passes the lock on', () => {
    const w = world()
    const a = w.reader()
    const [first, second] = [w.writer('first'), w.writer('second')]
    w.letGo(a)
    assert.equal(first.state, 'ready')
    w.kill(first)
    assert.equal(first.state, 'ended')
    assert.deepEqual(w.has(second), [true])
  })

  it('after it was given the lock gives it back', () => {
    const w = world()
    const a = w.writer()
    const reader = w.reader()
    const next = w.writer('next')
    w.letGo(a)
    assert.ok(w.lock.holders().includes(reader))
    w.kill(reader)
    assert.deepEqual(w.has(next), [true])
  })

  it('with hand-off set takes the hand-off with it', () => {
    const w = world()
    const a = w.reader()
    const writer = w.writer()
    w.later(5)
    const thief = w.come('read', 'thief')
    w.letGo(a)
    w.scheduler.step(thief)
    w.settle()
    w.kill(writer)
    const b = w.reader()
    assert.deepEqual(w.has(thief, b), [true, true])
  })
})

describe('the rules of taking', () => {
  it('case 32: a reader that takes the lock again while a writer waits is an assertion, not a deadlock (L2)', () => {
    const w = world()
    const a = w.reader()
    w.writer()
    assert.throws(() => w.lock.read(a), AssertionError)
    assert.throws(() => w.lock.write(a), AssertionError)
  })

  it('a task takes no lock of a lower rank than it has (L1)', () => {
    const w = world()
    const low = new RwLock(w.scheduler, 'low', RANK.mmap - 1)
    const high = new RwLock(w.scheduler, 'high', RANK.vma)
    const a = w.reader()
    assert.throws(() => low.read(a), AssertionError)
    assert.equal(new RwLock(w.scheduler, 'of the child', RANK.mmap).read(a), undefined)
    assert.equal(high.read(a), undefined)
    assert.deepEqual(
      a.held.map(held => held.lock.name),
      ['lock', 'of the child', 'high'],
    )
  })

  it('a lock is given back by who has it (L2)', () => {
    const w = world()
    w.reader()
    const stranger = w.come('read', 'stranger')
    assert.throws(() => w.lock.release(stranger), AssertionError)
  })
})

describe('who is in the way', () => {
  const names = (tasks: readonly Task[]) => tasks.map(task => task.name)

  it('is who has the lock, for the head of the queue', () => {
    const w = world()
    w.reader('a')
    w.reader('b')
    assert.deepEqual(names(w.lock.inTheWay(w.writer())), ['a', 'b'])
  })

  it('is the writer just before a writer, or all readers that will be let in before it', () => {
    const w = world()
    w.writer('holder')
    w.writer('first')
    const second = w.writer('second')
    assert.deepEqual(names(w.lock.inTheWay(second)), ['first'])
    w.reader('r')
    const third = w.writer('third')
    w.reader('s')
    assert.deepEqual(names(w.lock.inTheWay(third)), ['r', 's'])
  })

  it('is for every reader the writer before the first of them: they are let in together', () => {
    const w = world()
    w.writer('holder')
    w.writer('first')
    const readers = [w.reader('r')]
    w.writer('second')
    readers.push(w.reader('s'))
    for (const reader of readers) assert.deepEqual(names(w.lock.inTheWay(reader)), ['first'])
  })

  it('is who has the lock, for every reader, once a reader is first', () => {
    const w = world()
    w.writer('holder')
    w.reader('r')
    w.writer('first')
    assert.deepEqual(names(w.lock.inTheWay(w.reader('s'))), ['holder'])
  })

  it('one rule makes the chain: a reader behind a writer behind a reader that waits for I/O', () => {
    const w = world()
    const holder = w.reader('holder')
    w.writer('forker')
    const monitor = w.reader('monitor')
    assert.deepEqual(names(waitChain(monitor)), ['monitor', 'forker', 'holder'])
    assert.equal(hangs(monitor), true)
    assert.equal(hangs(holder), false, 'it waits for what isn’t a lock')
    assert.equal(
      chainSentence(waitChain(monitor), task => task.name),
      'monitor waits for lock for reading, behind forker, which waits for lock for writing, behind holder, which holds lock for reading and waits for child (being let go)',
    )
    assert.equal(
      linkText(waitChain(monitor)[1]!, task => task.name),
      'forker waits for lock for writing, behind holder',
    )
  })

  it('nobody hangs behind who can go on', () => {
    const w = world()
    const holder = w.reader('holder')
    const writer = w.writer('forker')
    const monitor = w.reader('monitor')
    w.scheduler.complete(holder.wait!.ticket)
    assert.equal(hangs(writer), false)
    assert.equal(hangs(monitor), false, 'nor behind somebody who waits for such a one')
    assert.match(
      linkText(holder, task => task.name),
      /^holder can go on, and keeps lock for reading$/,
    )
  })
})
