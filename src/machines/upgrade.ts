/** Brings the schema of a database to the version that this program knows, one version after the other, each whole. */
import type { Postgres } from './postgres.ts'
import { VERSIONS } from './schema.ts'

/** The schema is of a later version of Faultline. */
export class SchemaTooNew extends Error {}

/** So that of two that come at once one upgrades: "faultlin" as a number. */
const LOCK = '7377550054066842990'

/** Throws SchemaTooNew, PostgresError. */
export async function upgradeSchema(postgres: Postgres): Promise<void> {
  if ((await versionOf(postgres)) === VERSIONS.length) return
  await postgres.together(async ask => {
    await ask(`select pg_advisory_xact_lock(${LOCK})`)
    // What another has made while this one waited is seen in the tables only, and not by 'if not exists' (PostgreSQL 15).
    const there = await ask("select from pg_namespace where nspname = 'faultline'")
    if (there.length === 0) await ask('create schema faultline')
    await ask('create table if not exists faultline.schema (version integer not null)')
    const [known] = await ask<{ version: number }>('select version from faultline.schema')
    if (known === undefined) await ask('insert into faultline.schema (version) values (0)')
    for (const version of VERSIONS.slice(known?.version ?? 0)) await ask(version)
    await ask('update faultline.schema set version = greatest(version, $1)', [VERSIONS.length])
  })
}

/** 0: there is none. Throws SchemaTooNew, PostgresError. */
export async function versionOf(postgres: Postgres): Promise<number> {
  const [is] = await postgres.ask<{ there: boolean }>(
    "select to_regclass('faultline.schema') is not null as there",
  )
  if (!is!.there) return 0
  const [known] = await postgres.ask<{ version: number }>('select version from faultline.schema')
  const version = known?.version ?? 0
  if (version > VERSIONS.length)
    throw new SchemaTooNew(
      `the schema faultline of ${postgres.name} is of version ${version}, and this Faultline knows up to ${VERSIONS.length}; use a later one`,
    )
  return version
}
