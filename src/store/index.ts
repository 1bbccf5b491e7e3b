/**
 * Where a volume lies on this computer: its metadata in LMDB, its data in a file or a block device, and who has it open.
 */
export { allocateFile, extendFile, NoRoom } from './allocate.ts'
export { Draft, Undraftable } from './draft.ts'
export { FileLock, Taken } from './file-lock.ts'
export { FileStore } from './file-store.ts'
export { BadPage } from './lmdb-file.ts'
export { LmdbMissing, LmdbStore, needLmdb, STORE_FILE } from './lmdb-store.ts'
export { Locked, VolumeLock } from './lock.ts'
export { type Owner, owners } from './owner.ts'
export { noteDamage, notedDamage, type Place, placeOf } from './place.ts'
export { contentOf, holdsVolume } from './signatures.ts'
