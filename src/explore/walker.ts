/**
 * A machine that can be walked through its states: step forward, look, and go back.
 */

import { Rewinder, type Snapshot, sideBySide } from '../rewind/index.ts'
import type { Choice } from './choice.ts'
import { Keys } from './key.ts'
import type { Machine } from './machine.ts'
import type { Breach } from './monitor.ts'
import { atTheEnd, safetyOf } from './properties.ts'
import { isConstant } from './volume/key.ts'

/** A place to come back to: the machine, and the one byte of each page that carries its word. */
export interface Place {
  readonly snapshot: Snapshot
  readonly words: Uint8Array
}

export class Walker {
  readonly machine: Machine
  private readonly rewinder: Rewinder
  private readonly keys = new Keys()

  constructor(machine: Machine) {
    this.machine = machine
    const { scenario, row, engine } = machine
    const { frames } = engine.memory
    sideBySide(
      [frames, frames.lru, frames.siblings, engine.cache['hash'], engine.cache['workingset']],
      frames.data.buffer,
    )
    const fixed = [
      ...[scenario, row, this, engine.pressure, engine.groups, engine.verbs, engine.tree, engine.discipline],
      ...[engine.scheduler.watcher!, frames.words, frames.data.buffer],
      ...[machine.constants, ...machine.constants],
    ]
    // Values of records are known as such once they are part of a key.
    this.keys.row(machine)
    this.rewinder = new Rewinder([machine], fixed, isConstant)
  }

  /** Takes a choice and says what broke, if something did. */
  take(choice: Choice): Breach | undefined {
    try {
      this.machine.take(choice)
    } catch (error) {
      if (!(error instanceof Error)) throw error
      return { property: 'assertion', says: error.message }
    }
    return this.machine.monitor.breach
  }

  /** What is wrong with the state that the machine is in. */
  check(choices: readonly Choice[]): Breach | undefined {
    for (const { name, check } of safetyOf(this.machine)) {
      const says = check(this.machine)
      if (says !== undefined) return { property: name, says }
    }
    return choices.length === 0 ? atTheEnd(this.machine) : undefined
  }

  hash(): number {
    return this.keys.hash(this.machine)
  }

  /** The whole key, for comparing where a hash won't do. */
  fullKey(): string {
    return this.keys.row(this.machine).join()
  }

  save(): Place {
    const { frames } = this.machine.engine.memory
    const words = new Uint8Array(frames.count)
    for (let frame = 1; frame < frames.count; frame++) words[frame] = frames.data[frame * frames.pageSize]!
    return { snapshot: this.rewinder.save(), words }
  }

  restore({ snapshot, words }: Place): void {
    const { frames } = this.machine.engine.memory
    this.rewinder.restore(snapshot)
    for (let frame = 1; frame < frames.count; frame++) frames.data[frame * frames.pageSize] = words[frame]!
  }
}
