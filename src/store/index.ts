/**
 * Where a volume lies on this computer: its metadata in LMDB, its data in a file or a block device, and who has it open.
 */
export { FileStore } from './file-store.ts'
export { BadPage, type Belief } from './lmdb-file.ts'
export { LmdbMissing, LmdbStore, STORE_FILE } from './lmdb-store.ts'
export { Locked, VolumeLock } from './lock.ts'
export { noteDamage, notedDamage, type Place, placeOf } from './place.ts'
