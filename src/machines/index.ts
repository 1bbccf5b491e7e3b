/** Where a volume of many machines lies: metadata in PostgreSQL, data in a bucket. */
export { Bucket, type BucketCounts, type BucketPlace, PUT_WITHIN } from './bucket.ts'
export {
  type Attendance,
  attendanceOf,
  fenceVolume,
  findVolume,
  noteVolume,
  type Opening,
  placeOf,
  type VolumeRow,
} from './catalog.ts'
export { type Collected, collect } from './collecting.ts'
export { type Owner, ownerNow } from './metadata.ts'
export {
  isAddress,
  PgMissing,
  Postgres,
  PostgresError,
  SSL_MODES,
  shownAddress,
  wrongSslMode,
} from './postgres.ts'
export { Occupied, Session } from './session.ts'
export { SchemaTooNew, upgradeSchema } from './upgrade.ts'
