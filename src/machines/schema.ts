/**
 * What a database of PostgreSQL keeps of volumes: the tables of the schema `faultline`, and a function for each call that
 * changes something. They are made, and upgraded, by who opens a volume there; a number says how far they are.
 *
 *     volume    one row each: whose turn it is to write (epoch, holder, expires), and how far it is (head, horizon)
 *     lease     each epoch: who had it, and after which commit it began: commit n was made by the last one with start < n
 *     record    a record from commit `since` on, up to before `until`: reads see any commit from the horizon on
 *     log       each commit's changes, for those who follow
 *     reader    the commit that a reader is at, for as long as it renews
 *     segment   objects of data in the bucket, condemned when they are to go, or aren't whole yet; run: which blocks lie where in them
 *
 * All calls that depend on one another lock the row of their volume first.
 *
 * Invariants
 *   PGS1 A version of the schema is never changed once it was released: a new one is added behind it.
 */

/** A record that nothing has ended. */
export const FOREVER = '9223372036854775807'
/** Seconds for which a lease, or a reader's place, holds: by the server's clock. */
export const LEASE_SECONDS = 10
/** Commits that are kept in the log, whoever has heard of them. */
const LOG_KEPT = 10_000
/** Rows of the past that one sweep takes away. */
const SWEPT = 5000

/** Each brings the schema from the version before to its own: the first to 1. */
export const VERSIONS: readonly string[] = [
  `
create table faultline.volume (
  id bigint generated always as identity primary key,
  name text not null unique,
  data jsonb not null,
  epoch bigint not null default 0,
  head bigint not null default 0,
  horizon bigint not null default 0,
  log_start bigint not null default 1,
  grown bigint not null default 0,
  holder text not null default '',
  expires timestamptz not null default '-infinity'
);

create table faultline.lease (
  volume bigint not null references faultline.volume on delete cascade,
  epoch bigint not null,
  start bigint not null,
  holder text not null,
  owner jsonb not null,
  taken timestamptz not null default clock_timestamp(),
  primary key (volume, epoch)
);

create table faultline.record (
  volume bigint not null,
  key text collate "C" not null,
  since bigint not null,
  until bigint not null,
  value bytea not null,
  primary key (volume, key, since)
);
create index record_past on faultline.record (volume, until) where until < ${FOREVER};

create table faultline.log (
  volume bigint not null,
  number bigint not null,
  epoch bigint not null,
  keys text[] not null,
  vals bytea[] not null,
  made timestamptz not null default clock_timestamp(),
  primary key (volume, number)
);

create table faultline.reader (
  volume bigint not null references faultline.volume on delete cascade,
  client text not null,
  at bigint not null,
  owner jsonb not null,
  expires timestamptz not null,
  primary key (volume, client)
);

create table faultline.segment (
  volume bigint not null,
  epoch bigint not null,
  number bigint not null,
  bytes bigint not null,
  head bigint not null,
  condemned boolean not null default false,
  primary key (volume, epoch, number)
);

create table faultline.run (
  volume bigint not null,
  stop bigint not null,
  start bigint not null,
  epoch bigint not null,
  number bigint not null,
  place bigint not null,
  primary key (volume, stop)
);
create index run_segment on faultline.run (volume, epoch, number);

create function faultline.expiry() returns timestamptz language sql as
  $$ select clock_timestamp() + interval '${LEASE_SECONDS} seconds' $$;

create function faultline.look(v bigint, upto bigint) returns bigint language sql as $$
  select least(upto, (select min(at) from faultline.reader where volume = v and expires > clock_timestamp()))
$$;

create function faultline.enter_writer(v bigint, me text, over bigint, who jsonb)
returns table (epoch float8, at float8, horizon float8) language plpgsql as $$
declare
  vol faultline.volume;
begin
  select * into vol from faultline.volume where id = v for update;
  if vol.holder <> me then
    if vol.epoch <> over or (vol.holder <> '' and vol.expires > clock_timestamp()) then return; end if;
    vol.epoch := vol.epoch + 1;
    insert into faultline.lease (volume, epoch, start, holder, owner) values (v, vol.epoch, vol.head, me, who);
  end if;
  vol.horizon := greatest(vol.horizon, faultline.look(v, vol.head));
  update faultline.volume set epoch = vol.epoch, holder = me, expires = faultline.expiry(), horizon = vol.horizon where id = v;
  return query select vol.epoch::float8, vol.head::float8, vol.horizon::float8;
end $$;

create function faultline.enter_reader(v bigint, me text, who jsonb)
returns table (at float8, horizon float8) language plpgsql as $$
declare
  vol faultline.volume;
begin
  select * into vol from faultline.volume where id = v for share;
  insert into faultline.reader as r (volume, client, at, owner, expires) values (v, me, vol.head, who, faultline.expiry())
    on conflict (volume, client) do update set expires = excluded.expires,
      at = case when r.at < vol.horizon then excluded.at else r.at end;
  return query select r.at::float8, vol.horizon::float8 from faultline.reader r where r.volume = v and r.client = me;
end $$;

create function faultline.commit(v bigint, my_epoch bigint, stands_on bigint, changed text[], given bytea[])
returns table (horizon float8) language plpgsql as $$
declare
  vol faultline.volume;
  n bigint := stands_on + 1;
begin
  select * into vol from faultline.volume where id = v for update;
  if vol.epoch <> my_epoch or vol.head <> stands_on or vol.expires <= clock_timestamp() then return; end if;
  update faultline.record r set until = n from unnest(changed) as c(key)
    where r.volume = v and r.key = c.key and r.until = ${FOREVER};
  insert into faultline.record (volume, key, since, until, value)
    select v, c.key, n, ${FOREVER}, c.value from unnest(changed, given) as c(key, value) where c.value is not null;
  insert into faultline.log (volume, number, epoch, keys, vals) values (v, n, my_epoch, changed, given);
  vol.horizon := greatest(vol.horizon, faultline.look(v, n));
  update faultline.volume set head = n, expires = faultline.expiry(), horizon = vol.horizon where id = v;
  perform pg_notify('faultline', v::text);
  return query select vol.horizon::float8;
end $$;

create function faultline.outcome(v bigint, me text, my_epoch bigint, stands_on bigint)
returns table (made boolean, epoch float8) language plpgsql as $$
declare
  vol faultline.volume;
  by_whom bigint;
begin
  select * into vol from faultline.volume where id = v for update;
  select max(l.epoch) into by_whom from faultline.lease l where l.volume = v and l.start <= stands_on;
  made := vol.head > stands_on and by_whom = my_epoch;
  if vol.holder = me then
    if vol.epoch = my_epoch then
      vol.epoch := vol.epoch + 1;
      insert into faultline.lease (volume, epoch, start, holder, owner)
        select v, vol.epoch, vol.head, me, l.owner from faultline.lease l where l.volume = v and l.epoch = my_epoch;
    end if;
    update faultline.volume set epoch = vol.epoch, expires = faultline.expiry() where id = v;
    epoch := vol.epoch;
  end if;
  return next;
end $$;

create function faultline.renew(v bigint, me text) returns table (horizon float8) language plpgsql as $$
declare
  vol faultline.volume;
begin
  select * into vol from faultline.volume where id = v for update;
  if vol.holder <> me then return; end if;
  vol.horizon := greatest(vol.horizon, faultline.look(v, vol.head));
  update faultline.volume set expires = faultline.expiry(), horizon = vol.horizon where id = v;
  return query select vol.horizon::float8;
end $$;

create function faultline.pin(v bigint, me text, n bigint, who jsonb) returns boolean language plpgsql as $$
declare
  vol faultline.volume;
begin
  select * into vol from faultline.volume where id = v for share;
  if n < vol.horizon then return false; end if;
  insert into faultline.reader as r (volume, client, at, owner, expires) values (v, me, n, who, faultline.expiry())
    on conflict (volume, client) do update set at = greatest(r.at, excluded.at), expires = excluded.expires;
  return true;
end $$;

create function faultline.leave(v bigint, me text) returns void language sql as $$
  update faultline.volume set holder = '', expires = '-infinity' where id = v and holder = me;
  delete from faultline.reader where volume = v and client = me;
$$;

create function faultline.fence(v bigint, who jsonb) returns float8 language plpgsql as $$
declare
  vol faultline.volume;
begin
  select * into vol from faultline.volume where id = v for update;
  insert into faultline.lease (volume, epoch, start, holder, owner) values (v, vol.epoch + 1, vol.head, '', who);
  update faultline.volume set epoch = vol.epoch + 1, holder = '', expires = '-infinity' where id = v;
  return vol.epoch + 1;
end $$;

create function faultline.seal(v bigint, me text, e bigint, n bigint, size bigint, starts bigint[], stops bigint[], places bigint[])
returns boolean language plpgsql as $$
declare
  vol faultline.volume;
begin
  select * into vol from faultline.volume where id = v for update;
  if vol.holder <> me then return false; end if;
  insert into faultline.segment (volume, epoch, number, bytes, head) values (v, e, n, size, vol.head) on conflict do nothing;
  insert into faultline.run (volume, stop, start, epoch, number, place)
    select v, r.stop, r.start, e, n, r.place from unnest(starts, stops, places) as r(start, stop, place) on conflict do nothing;
  update faultline.volume set grown = greatest(grown, (select max(s) from unnest(stops) as s)) where id = v;
  return true;
end $$;

create function faultline.sweep(v bigint) returns void language plpgsql as $$
declare
  vol faultline.volume;
begin
  select * into vol from faultline.volume where id = v for update;
  delete from faultline.reader where volume = v and expires <= clock_timestamp();
  delete from faultline.record where ctid = any(array(
    select ctid from faultline.record where volume = v and until <= least(vol.horizon, vol.head - 1) and until < ${FOREVER} limit ${SWEPT}));
  delete from faultline.log where ctid = any(array(
    select ctid from faultline.log where volume = v and number <= vol.head - ${LOG_KEPT} limit ${SWEPT}));
  update faultline.volume set log_start = greatest(log_start, coalesce(
    (select min(number) from faultline.log where volume = v), vol.head + 1)) where id = v;
end $$;
`,
  `
create function faultline.rewrite(v bigint, e bigint, n bigint, epochs bigint[], numbers bigint[],
  starts bigint[], stops bigint[], places bigint[]) returns boolean language plpgsql as $$
declare
  there bigint;
begin
  perform from faultline.volume where id = v for update;
  with old as (
    select from faultline.segment s join unnest(epochs, numbers) as o(epoch, number) using (epoch, number)
      where s.volume = v and not s.condemned for update of s)
  select count(*) into there from old;
  if there < cardinality(epochs) then return false; end if;
  update faultline.segment set condemned = false
    where volume = v and epoch = e and number = n and condemned and head >= 0;
  if not found then return false; end if;
  delete from faultline.run r using unnest(epochs, numbers) as old(epoch, number)
    where r.volume = v and r.epoch = old.epoch and r.number = old.number;
  insert into faultline.run (volume, stop, start, epoch, number, place)
    select v, r.stop, r.start, e, n, r.place from unnest(starts, stops, places) as r(start, stop, place);
  update faultline.segment s set condemned = true from unnest(epochs, numbers) as old(epoch, number)
    where s.volume = v and s.epoch = old.epoch and s.number = old.number;
  return true;
end $$;
`,
]
