/** Programs of others on a mounted volume: what each is asked to do, and how it says that the filesystem held. */

import { join } from 'node:path'

export interface Foreign {
  readonly name: string
  /** Programs that it needs. */
  readonly needs: readonly string[]
  /** For sh -e, in an empty directory of the mount. `$outside` is a directory that isn't on it. */
  readonly script: string
}

/** What fio writes is checksummed, block by block, and read back. */
function fio(name: string, words: string): Foreign {
  const job =
    '--name=job --directory=. --size=8m --numjobs=2 --rw=randwrite --bsrange=4k-64k --verify=crc32c --verify_fatal=1 --do_verify=1 --group_reporting --minimal'
  return {
    name: `fio, ${name}`,
    needs: ['fio'],
    script: `fio ${job} ${words} > $outside/fio || { cat $outside/fio; exit 1; }`,
  }
}

/** Directory of the project, for programs that work on it. */
const PROJECT = join(import.meta.dirname, '../..')

function exercise(count: number): Foreign {
  const program = join(PROJECT, 'src/posix/exercise.ts')
  return {
    name: `${count} random operations against a flat model`,
    needs: [],
    script: `'${process.execPath}' --conditions=faultline-source ${program} . --count ${count} > $outside/said || { cat $outside/said; exit 1; }`,
  }
}

export const FOREIGN: readonly [Foreign, ...Foreign[]] = [
  exercise(3000),
  fio('buffered', '--ioengine=psync --fsync=32'),
  fio('direct', '--ioengine=libaio --iodepth=8 --direct=1'),
  fio('mmap', '--ioengine=mmap'),
  {
    name: 'git: commits, a clone, gc and fsck',
    needs: ['git'],
    script: `
      export GIT_CONFIG_GLOBAL=/dev/null GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b
      git init -q one; cd one; git config gc.auto 0
      for n in $(seq 200); do mkdir -p d$((n % 17)); seq $n > d$((n % 17))/f$n; done
      git add .; git commit -qm first; seq 10 > d1/new; git mv d2 e2; git add .; git commit -qm second
      cd ..; git clone -q --no-hardlinks one two; cd two
      test -z "$(git status --porcelain)"; git gc -q --aggressive; git fsck --full --strict
      git checkout -q HEAD~1; test -z "$(git status --porcelain)"; test $(git ls-files | wc -l) = 200`,
  },
  {
    name: 'sqlite3: WAL, memory-mapped, and an integrity check',
    needs: ['sqlite3'],
    script: `
      sqlite3 t.db 'pragma journal_mode=wal; pragma mmap_size=100000000; create table t(a integer primary key, b);' > /dev/null
      sqlite3 t.db "pragma mmap_size=100000000; with recursive c(n) as (select 1 union all select n+1 from c where n<5000) insert into t select n, hex(randomblob(40)) from c" > /dev/null
      sqlite3 t.db 'begin; delete from t where a%3=0; rollback; delete from t where a%2=0; vacuum;'
      test "$(sqlite3 t.db 'pragma integrity_check')" = ok; test "$(sqlite3 t.db 'select count(*) from t')" = 2500`,
  },
  {
    name: 'sqlite3 killed while it writes: what is left is whole',
    needs: ['sqlite3'],
    script: `
      sqlite3 t.db 'pragma journal_mode=wal; create table t(a integer primary key, b)' > /dev/null
      (i=0; while :; do i=$((i+1)); echo "insert into t(b) values(hex(randomblob(500)));"; done) | sqlite3 t.db & pid=$!
      while [ "$(sqlite3 -cmd '.timeout 5000' t.db 'select count(*) from t')" -lt 50 ]; do :; done
      kill -9 $pid; wait || true
      test "$(sqlite3 -cmd '.timeout 5000' t.db 'pragma integrity_check')" = ok`,
  },
  {
    name: 'tar, rsync -aHX and diff -r',
    needs: ['tar', 'rsync', 'diff'],
    script: `
      from=/usr/share/perl5; test -d $from || from=/etc
      mkdir t; tar -C $from -cf - . | tar -C t -xpf -; diff -r --no-dereference $from t
      ln t/$(ls t | head -1)/* . 2>/dev/null || true; mkfifo fifo; ln -s nowhere link; truncate -s 1M sparse
      mkdir $outside/r; rsync -aHX ./ $outside/r/; rsync -aHX $outside/r/ again/; diff -r --no-dereference -x fifo $outside/r again
      test -z "$(rsync -aHXn --itemize-changes $outside/r/ again/)"; rm -r t again`,
  },
  {
    name: 'a filesystem in a file: ext4 through a loop device, and e2fsck',
    needs: ['mkfs.ext4', 'e2fsck', 'losetup'],
    script: `
      truncate -s 24M image; mkfs.ext4 -q -F image; mkdir $outside/inner; mount -o loop image $outside/inner
      cp -r /etc/. $outside/inner/ 2>/dev/null || true; mkdir $outside/inner/d; seq 10000 > $outside/inner/d/f; sync -f $outside/inner/d
      test "$(wc -l < $outside/inner/d/f)" = 10000
      umount $outside/inner; e2fsck -fn image > $outside/e2fsck || { cat $outside/e2fsck; exit 1; }`,
  },
  {
    name: 'access lists',
    needs: ['setfacl', 'getfacl'],
    script: `
      echo x > f; chmod 640 f; setfacl -m u:65531:rw,g:65532:r f; getfacl -cn f | grep -q '^user:65531:rw-$'
      test "$(stat -c %a f)" = 660; chmod 600 f; getfacl -cn f | grep -q 'mask::---'
      mkdir d; setfacl -d -m u:65531:rwx d; touch d/inside; getfacl -cn d/inside | grep -q '^user:65531:rwx'; mkdir d/sub; getfacl -cn d/sub | grep -q '^default:user:65531:rwx$'`,
  },
  {
    name: 'stress-ng, some of its filesystem class',
    needs: ['stress-ng'],
    script: `
      for stressor in chmod dentry dir fallocate flock getdent hdd link rename seek utime xattr
      do stress-ng --$stressor 1 --$stressor-ops 20 --timeout 1 --verify --temp-path . --quiet || { test $? = 3 || { echo $stressor; exit 1; }; }; done`,
  },
]

/** Those that take minutes: foreign.fuzz.ts runs them. */
export const LONG: readonly Foreign[] = [
  exercise(1_000_000),
  ...['--ioengine=psync --fsync=64', '--ioengine=libaio --iodepth=16 --direct=1', '--ioengine=mmap'].map(
    words => ({
      name: `fio for minutes, ${words}`,
      needs: ['fio'],
      script: `fio --name=job --directory=. --size=64m --numjobs=4 --rw=randrw --bsrange=4k-128k --verify=crc32c --verify_fatal=1 --verify_backlog=256 --time_based --runtime=\${seconds:-200} --group_reporting ${words} > $outside/fio || { cat $outside/fio; exit 1; }`,
    }),
  ),
  {
    name: 'PostgreSQL: initdb, pgbench, kill -9, recovery',
    needs: ['psql', 'su'],
    script: `
      bin=$(ls -d /usr/lib/postgresql/*/bin | tail -1); mkdir pg; chown postgres pg; chmod 700 pg; chmod 777 $outside
      as() { su postgres -s /bin/sh -c "cd $PWD/pg && PGHOST=$outside PATH=$bin:\\$PATH $1"; }
      as 'initdb -D data -A trust' > $outside/initdb
      start() { as "pg_ctl -D data -w -t 100 -l $outside/log -o '-k $outside -c listen_addresses=' start" > /dev/null || { tail -30 $outside/log; exit 1; }; }
      start; as 'pgbench -i -q -s 4 postgres' 2> $outside/init
      as 'pgbench -c 4 -T 10 postgres' > $outside/bench 2>&1
      as 'pgbench -c 4 -T 60 postgres' > $outside/killed 2>&1 & sleep 5
      kill -9 $(head -1 pg/data/postmaster.pid); wait || true; sleep 2; rm -f pg/data/postmaster.pid $outside/.s.PGSQL.*
      start
      test "$(as "psql -Atc 'select (select sum(abalance) from pgbench_accounts) = (select sum(bbalance) from pgbench_branches) and (select sum(tbalance) from pgbench_tellers) = (select sum(bbalance) from pgbench_branches)' postgres")" = t
      as "psql -Atc 'create extension amcheck' postgres" > /dev/null
      as "psql -Atc \\"select bt_index_check('pgbench_accounts_pkey', true)\\" postgres"
      as 'pg_ctl -D data -w -m fast stop' > /dev/null`,
  },
  {
    name: "npm ci of this project, and its volumes' tests",
    needs: ['npm', 'git'],
    script: `
      git clone -q ${PROJECT} project; cd project; npm ci --silent > $outside/npm 2>&1; npx tsc
      npx node --conditions=faultline-source --test src/base/*.test.ts src/cache/*.test.ts > $outside/tests || { tail -40 $outside/tests; exit 1; }`,
  },
  {
    name: "stress-ng's filesystem class",
    needs: ['stress-ng'],
    script: `stress-ng --class filesystem --sequential 1 --timeout 5 --verify --temp-path . > $outside/stress 2>&1 || test $? = 3 || { cat $outside/stress; exit 1; }`,
  },
]
