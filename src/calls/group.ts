/** A group: whose limits apply and who is charged, under cgroup2's names. */
import type { GroupFace } from '../api/index.ts'
import { type GroupId, ROOT } from '../base/index.ts'
import { SettingError, type Settings } from '../group/index.ts'
import type { Context } from './context.ts'
import { FaultlineError } from './error.ts'
import { INSPECT } from './inspect.ts'
import { invalid } from './options.ts'

export class Group implements GroupFace {
  readonly id: GroupId
  private readonly context: Context

  constructor(context: Context, id: GroupId) {
    this.context = context
    this.id = id
  }

  static root(context: Context): Group {
    return new Group(context, ROOT)
  }

  /** Its number, for objects of the same machine. */
  idIn(context: Context, operation: string): GroupId {
    if (this.context !== context)
      throw invalid(
        operation,
        `group: ${this.path} belongs to another machine; expected one of machine.group`,
      )
    return this.id
  }

  get path(): string {
    return this.context.engine.groups.path(this.id)
  }

  [INSPECT](): string {
    return `Group ${this.path}`
  }

  /** Makes a group below this one. */
  group(name: string, settings: Settings = {}): Group {
    this.context.performer.checkOpen('group')
    return new Group(
      this.context,
      told(() => this.context.engine.groups.create(name, this.id, settings)),
    )
  }

  /** Changes a setting: `group.set('memory.max', '16 MiB')`. */
  set(key: string, value: unknown): void {
    this.context.performer.checkOpen('set')
    told(() => this.context.engine.groups.set(this.id, key, value))
    this.context.driver.pump()
  }

  /** A counter or setting, in the form of the kernel's file: `group.read('io.stat')`. */
  read(key: string): string {
    this.context.performer.checkOpen('read')
    return told(() => this.context.engine.groups.read(this.id, key))
  }
}

/** The number of the group that a caller gave, or of the root. */
export function groupId(given: unknown, context: Context, operation: string): GroupId {
  if (given === undefined) return ROOT
  if (!(given instanceof Group)) throw invalid(operation, 'group: expected a group of machine.group')
  return given.idIn(context, operation)
}

function told<T>(ask: () => T): T {
  try {
    return ask()
  } catch (error) {
    if (error instanceof SettingError) throw new FaultlineError(error.code, 'group', error.message)
    throw error
  }
}
