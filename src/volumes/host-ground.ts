/** A volume's directory on this computer: its data, its metadata in LMDB, its lock. */
import type { Bytes } from '../base/index.ts'
import type { HostFile } from '../host/index.ts'
import { type FileStore, LmdbStore, noteDamage, type Place, type VolumeLock } from '../store/index.ts'
import type { Volume as Core } from '../volume/index.ts'
import type { Ground } from './open-volume.ts'
import type { VolumeCalls } from './volume-calls.ts'
import { grow, shrink } from './volume-growth.ts'

export class HostGround implements Ground {
  readonly endings: Ground['endings']
  private readonly core: Core
  private readonly place: Place
  private readonly store: LmdbStore | FileStore
  private readonly device: HostFile

  constructor(core: Core, place: Place, store: LmdbStore | FileStore, device: HostFile, lock: VolumeLock) {
    this.core = core
    this.place = place
    this.store = store
    this.device = device
    this.endings = [() => store.close(), () => device.close(), () => lock.release()]
  }

  flaws(): readonly string[] {
    return this.store.flaws()
  }

  noteDamage(sentences: readonly string[]): void {
    noteDamage(this.place, sentences)
  }

  trouble(): undefined {
    return undefined
  }

  leave(): void {
    if (this.store instanceof LmdbStore) this.store.leave()
  }

  shrink(calls: VolumeCalls, size: Bytes): Promise<void> {
    const { core, place, device } = this
    return shrink(calls, { core, place, device }, size)
  }

  grow(calls: VolumeCalls, size: Bytes): Promise<void> {
    const { core, place, device } = this
    return grow(calls, { core, place, device }, size)
  }
}
