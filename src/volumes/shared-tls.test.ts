/** TLS to PostgreSQL, on a real server whose certificate is signed by an authority that only the tests know. */
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { startFauxqs } from 'fauxqs'
import { Postgres } from '../machines/index.ts'
import { NO_POSTGRES, PostgresServer } from '../machines/postgres-server.fixture.ts'
import { Machine } from '../map/index.ts'
import { refuses } from '../map/world.suite.ts'
import { fenceShared } from './index.ts'

const NO_OPENSSL = spawnSync('openssl', ['version']).status === 0 ? false : 'no openssl here: install openssl'

describe('a volume of many machines, its database over TLS', { skip: NO_POSTGRES || NO_OPENSSL }, () => {
  let directory: string
  let postgres: PostgresServer
  before(async () => {
    directory = fs.mkdtempSync(join(os.tmpdir(), 'faultline-tls-'))
    authority('ours')
    authority('wrong')
    postgres = await PostgresServer.start(signed('ours', 'DNS:localhost'))
  })
  after(async () => {
    await postgres.stop()
    fs.rmSync(directory, { recursive: true })
  })

  const openssl = (...words: readonly string[]) =>
    execFileSync('openssl', words, { cwd: directory, stdio: ['ignore', 'pipe', 'ignore'] })
  const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  const authority = (name: string) =>
    openssl(
      'req',
      '-x509',
      ...NEW_KEY,
      '-keyout',
      `${name}.key`,
      '-out',
      `${name}.crt`,
      '-days',
      '2',
      '-subj',
      `/CN=${name}`,
    )
  const signed = (by: string, names: string) => {
    openssl('req', ...NEW_KEY, '-keyout', 'server.key', '-out', 'server.csr', '-subj', '/CN=server')
    fs.writeFileSync(join(directory, 'names'), `subjectAltName=${names}`)
    openssl(
      ...['x509', '-req', '-in', 'server.csr', '-CA', `${by}.crt`, '-CAkey', `${by}.key`, '-CAcreateserial'],
      ...['-days', '2', '-extfile', 'names', '-out', 'server.crt'],
    )
    const read = (file: string) => fs.readFileSync(join(directory, file), 'utf8')
    return { certificate: read('server.crt'), key: read('server.key') }
  }
  const address = (words: string, host = 'localhost') =>
    `postgres://postgres@${host}:${postgres.port}/postgres${words.replace('%', directory)}`

  const OURS = 'sslrootcert=%/ours.crt'

  test('is encrypted with verify-full, verify-ca and require, and who follows hears of commits', async t => {
    for (const [words, host] of [
      [`?sslmode=verify-full&${OURS}`, 'localhost'],
      [`?sslmode=verify-ca&${OURS}`, '127.0.0.1'],
      [`?sslmode=require&${OURS}`, '127.0.0.1'],
      ['?sslmode=require', '127.0.0.1'],
    ] as const) {
      const asked = await Postgres.open(address(words, host))
      t.after(() => asked.close())
      const rows = await asked.ask('select ssl, version from pg_stat_ssl where pid = pg_backend_pid()')
      assert.deepEqual(rows, [{ ssl: true, version: 'TLSv1.3' }], words)
      const heard = Promise.withResolvers<number | undefined>()
      asked.listen(volume => {
        if (volume === undefined) asked.ask("select pg_notify('faultline', '7')").catch(heard.reject)
        else heard.resolve(volume)
      })
      assert.equal(await heard.promise, 7)
    }
  })

  test('is made, written and read', async t => {
    const s3 = await startFauxqs({ port: 0, logger: false })
    t.after(() => s3.stop())
    s3.createBucket('bucket')
    const place = { meta: address(`?sslmode=verify-full&${OURS}`), endpoint: s3.address }
    await using machine = await Machine.start({ memory: '8 MiB' })
    const volume = await machine.createVolume('tls', { ...place, data: 's3://bucket/p' })
    await volume.put(new Uint8Array(5000).fill(7), '/a')
    const reader = await machine.openVolume('tls', place)
    for await (const part of reader.get('/a')) assert.deepEqual(part, new Uint8Array(5000).fill(7))
  })

  test('is refused in a sentence where the server is not who it was to be', async () => {
    await using machine = await Machine.start({ memory: '8 MiB' })
    const opens = (meta: string) => machine.openVolume('tls', { meta })
    for (const [words, host, why] of [
      [
        '?sslmode=verify-full&sslrootcert=%/wrong.crt',
        'localhost',
        /could not be trusted: .*; name who has signed/,
      ],
      ['?sslmode=verify-ca&sslrootcert=%/wrong.crt', 'localhost', /could not be trusted/],
      ['?sslmode=require&sslrootcert=%/wrong.crt', 'localhost', /could not be trusted/],
      ['?sslmode=verify-full', 'localhost', /could not be trusted/],
      [
        `?sslmode=verify-full&${OURS}`,
        '127.0.0.1',
        /could not be trusted: .*altnames.*127\.0\.0\.1.*; ask it by a name/,
      ],
    ] as const)
      await refuses(() => opens(address(words, host)), 'EPROTO', 'openVolume', why)
    await refuses(() => fenceShared('tls', address('?sslmode=verify-full')), 'EPROTO', 'fence', /trusted/)
    await refuses(() => opens(address('')), 'EACCES', 'openVolume', /no encryption/)
    await refuses(
      () => opens(address('?sslmode=verify-full&sslrootcert=%/nowhere.crt')),
      'EREMOTEIO',
      'openVolume',
      /could not be asked: ENOENT.*nowhere\.crt/,
    )
    const plain = await PostgresServer.start()
    try {
      await refuses(
        () => opens(`${plain.address}&sslmode=require`),
        'EREMOTEIO',
        'openVolume',
        /does not support SSL/,
      )
    } finally {
      await plain.stop()
    }
  })
})
