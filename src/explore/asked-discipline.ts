/**
 * A discipline that notes which of its columns were read. Whatever was done meanwhile would have come out the same under
 * every other discipline that has the same values there.
 */
import type { Discipline } from '../mm/index.ts'

type Column = keyof Discipline

/** Columns as bits of a number. */
export type Columns = number

const BITS: Readonly<Record<Column, Columns>> = {
  name: 1,
  takes: 1 << 1,
  retakes: 1 << 2,
  read: 1 << 3,
  pageLock: 1 << 4,
  prepare: 1 << 5,
  shortage: 1 << 6,
  throttle: 1 << 7,
  stash: 1 << 8,
  readers: 1 << 9,
  fork: 1 << 10,
}

export class AskedDiscipline implements Discipline {
  /** What was read since whoever wants to know set it to 0. */
  asked: Columns = 0
  /** The one that answers. */
  answers: Discipline

  constructor(answers: Discipline) {
    this.answers = answers
  }

  get name() {
    return this.ask('name')
  }

  get takes() {
    return this.ask('takes')
  }

  get retakes() {
    return this.ask('retakes')
  }

  get read() {
    return this.ask('read')
  }

  get pageLock() {
    return this.ask('pageLock')
  }

  get prepare() {
    return this.ask('prepare')
  }

  get shortage() {
    return this.ask('shortage')
  }

  get throttle() {
    return this.ask('throttle')
  }

  get stash() {
    return this.ask('stash')
  }

  get readers() {
    return this.ask('readers')
  }

  get fork() {
    return this.ask('fork')
  }

  private ask<Asked extends Column>(column: Asked): Discipline[Asked] {
    this.asked |= BITS[column]
    return this.answers[column]
  }
}

/** The columns in which two disciplines differ. */
export function columnsApart(one: Discipline, other: Discipline): Columns {
  let apart = 0
  for (const column of Object.keys(BITS) as Column[]) if (one[column] !== other[column]) apart |= BITS[column]
  return apart
}
