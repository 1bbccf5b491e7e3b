/** Where a volume of many machines lies: metadata in PostgreSQL, data in a bucket. */
export { PostgresMetadata } from './metadata.ts'
export { PgMissing, Postgres, PostgresError } from './postgres.ts'
export { SchemaTooNew, upgradeSchema } from './upgrade.ts'
export { PostgresWay } from './way.ts'
