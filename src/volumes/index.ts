/** Volumes as programs have them open: on this computer, and of many machines. */

export { DaxMemory } from './dax-memory.ts'
export { HostGround } from './host-ground.ts'
export { makeHostVolume, openHostVolume } from './host-volume.ts'
export type { OpenVolume } from './open-volume.ts'
export { dumpVolume, repairVolume, volumeBlockSize } from './repair-volume.ts'
export { blockSizeOf, collectShared, fenceShared, whoShares } from './shared-keeping.ts'
export { checkMeta, isShared, makeShared, openShared } from './shared-volume.ts'
export { Volume } from './volume.ts'
export { checkProgress } from './volume-calls.ts'
export { type CachePlace, keepIn, openCache } from './volume-keep.ts'
