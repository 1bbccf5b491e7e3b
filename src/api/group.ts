/** A group: whose limits apply and who is charged. */
import type { Settings } from '../group/index.ts'

/** Whose limits apply and who is charged, under cgroup2's names. A group may have groups below it. */
export interface GroupFace {
  /** From the root, as in cgroup2: '/batch/import'. */
  readonly path: string
  /** Makes a group below this one. Errors: those of `machine.group`. */
  group(name: string, settings?: Settings): GroupFace
  /**
   * Changes a setting: `group.set('memory.max', '16 MiB')`.
   *
   * Errors: EINVAL (what the key takes), ENOENT for a key that there is none of (names the nearest), EACCES for the root and
   * for a counter, ENODEV for a disk that there is none of.
   */
  set(key: string, value: unknown): void
  /**
   * A counter or setting, in the form of the kernel's file: `group.read('io.stat')`.
   *
   * Errors: ENOENT for a key that there is none of (names the nearest).
   */
  read(key: string): string
}
