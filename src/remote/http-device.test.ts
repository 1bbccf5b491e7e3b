/** A file on a server as a device: right bytes or a typed error, within its deadline, whatever the server does. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { type Errno, errno, errnoName } from '../base/index.ts'
import type { Request } from '../device/index.ts'
import {
  freshHeaders,
  HttpDevice,
  type Keep,
  Origin,
  plainHeaders,
  REMOTE_DEFAULTS,
  RemoteError,
  type RemoteSettings,
} from './index.ts'
import {
  afterOpening,
  BEHAVIOURS,
  type Behaviour,
  forAWhile,
  MisbehavingServer,
  wellBehaved,
} from './misbehaving-server.suite.ts'

const KIB = 1024
const LENGTH = 1000 * KIB + 123
const BODY = new Uint8Array(LENGTH).map((_, at) => (at * 31 + (at >> 8)) & 0xff)

const PATIENT: RemoteSettings = {
  ...REMOTE_DEFAULTS,
  fetch: (url, init) => fetch(url, init),
  authorization: plainHeaders({}),
  preconditions: 'sent',
  wholeMax: 100 * KIB,
}
/** For what never ends by itself. */
const IMPATIENT = { headersWithin: 60, progressWithin: 60, deadline: 1500 }
const STALLS = ['a body that stalls', 'no answer at all']

interface Opened {
  readonly device: HttpDevice
  readonly read: (position: number, length: number) => Promise<Uint8Array>
  /** From now on little time is given. */
  readonly hurry: () => void
}

async function opened(
  url: string,
  settings: Partial<RemoteSettings> = {},
  origin = new Origin(new URL(url).origin, settings.connections ?? PATIENT.connections),
  keep?: Keep,
): Promise<Opened> {
  const all = { ...PATIENT, ...settings }
  const file = { name: url, identity: url, url, origin, settings: all, ...(keep && { keep }) }
  const device = await HttpDevice.open(file, () => {})
  const waiting = new Map<Request, (error: Errno) => void>()
  device.onEnd = (request, error) => {
    const tell = waiting.get(request)
    assert(tell !== undefined, 'D1: it ends once')
    waiting.delete(request)
    tell(error)
  }
  const hurry = () => void Object.assign(all, IMPATIENT)
  const read = (position: number, length: number) => {
    const half = length >> 1
    const whole = new Uint8Array(length).fill(0xee)
    const buffers = [whole.subarray(0, half), whole.subarray(half)]
    const request: Request = { operation: 'read', position, length, buffers }
    return new Promise<Uint8Array>((done, failed) => {
      waiting.set(request, error =>
        error === errno.OK ? done(whole) : failed(new RemoteError(error, device.lastFailure?.message ?? '')),
      )
      device.start(request)
    })
  }
  return { device, read, hurry }
}

class MemoryKeep implements Keep {
  readonly parts = new Map<string, Uint8Array>()

  async get(key: string, chunk: number): Promise<Uint8Array | undefined> {
    return this.parts.get(`${key} ${chunk}`)
  }

  put(key: string, chunk: number, bytes: Uint8Array): void {
    this.parts.set(`${key} ${chunk}`, bytes)
  }

  async settled(): Promise<void> {}
}

const same = (got: Uint8Array, position: number) =>
  assert.equal(Buffer.compare(got, padded(position, got.length)), 0, `the bytes from ${position}`)
const padded = (position: number, length: number) => {
  const expected = new Uint8Array(length)
  expected.set(BODY.subarray(position, position + length))
  return expected
}
const fails = (code: string, words: RegExp) => (error: unknown) => {
  assert(error instanceof RemoteError, String(error))
  assert.equal(errnoName(error.errno), code, error.message)
  assert.match(error.message, words)
  return true
}

/** How each way of misbehaving ends, if it goes on for ever. */
const FOR_EVER: Record<keyof typeof BEHAVIOURS, 'right bytes' | readonly [string, RegExp]> = {
  'another range than asked for': ['ETIMEDOUT|EREMOTEIO', /it sent bytes \d+ to \d+ when it was asked for/],
  'a range without saying which': ['ETIMEDOUT|EREMOTEIO', /Content-Range is missing/],
  'the whole file with 200': ['ENOTSUP', /knows no ranges: it answered 200 with 1024123 bytes/],
  'the whole file with 200, its length untold': ['ENOTSUP', /unknown number of bytes/],
  'a body cut short': ['ETIMEDOUT|EREMOTEIO', /./],
  'a body that ends early, politely': ['ETIMEDOUT|EREMOTEIO', /ended after 99999 of 100000 bytes/],
  'a body with bytes too many': ['ETIMEDOUT|EREMOTEIO', /bytes too many/],
  'a body that stalls': ['ETIMEDOUT|EREMOTEIO', /for 60 ms|within 60 ms|in time/],
  'no answer at all': ['ETIMEDOUT|EREMOTEIO', /within 60 ms|in time/],
  'a reset connection': ['ETIMEDOUT|EREMOTEIO', /connection failed/],
  'a reset in the middle of the body': ['ETIMEDOUT|EREMOTEIO', /connection failed/],
  'busy with 503': ['ETIMEDOUT|EREMOTEIO', /answered 503/],
  'busy with 429 and Retry-After': ['ETIMEDOUT|EREMOTEIO', /answered 429/],
  'busy for an hour': ['ETIMEDOUT', /answered 503; gave up after 1000 ms/],
  'gzip, though asked for none': ['EPROTO', /encoding gzip/],
  'a redirect to a place that knows no ranges': ['ENOTSUP', /knows no ranges/],
  'a redirect to a good place': 'right bytes',
  'redirects for ever': ['EPROTO', /redirect/],
  '416 for a file that was cut, before 412': ['ESTALE', /changed on the server/],
  '416 without a length': ['ESTALE', /changed on the server/],
  '416 inside the file': ['ETIMEDOUT|EREMOTEIO', /416 for a range inside the file/],
  'another ETag in the middle': ['ESTALE', /ETag is now "\\"two\\""/],
  'no ETag in the middle': ['ESTALE', /ETag is now missing/],
  'the same ETag with another length': ['ESTALE', /changed/],
  'gone with 404': ['ESTALE', /gone from the server/],
  'who are you, with 403': ['EKEYREJECTED', /answered 403/],
  'an answer to another question': ['EPROTO', /answered 204/],
  'no HTTP at all': ['ETIMEDOUT|EREMOTEIO', /connection failed/],
}

describe('of a file that is kept on this computer', { concurrency: 8 }, () => {
  for (const [name, end] of Object.entries(FOR_EVER))
    it(`a server with ${name} spoils no part that is kept`, async () => {
      const keep = new MemoryKeep()
      const behaviour: Behaviour = BEHAVIOURS[name as keyof typeof BEHAVIOURS]
      await using server = await MisbehavingServer.start(BODY, afterOpening(behaviour))
      const { read, hurry } = await opened(server.url, { deadline: 5000 }, undefined, keep)
      if (STALLS.includes(name)) hurry()
      const reading = read(200 * KIB, 100_000)
      if (end === 'right bytes') same(await reading, 200 * KIB)
      else await assert.rejects(reading, ({ code }: RemoteError) => end[0].split('|').includes(code))
      for (const [part, bytes] of keep.parts) same(bytes, Number(part.split(' ').at(-1)) * 128 * KIB)
      assert.equal(keep.parts.size > 0, end === 'right bytes')
    })

  it('any reads at once have the right bytes, and what was kept is never asked for again', () =>
    fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(LENGTH + 5000), fc.integer({ min: 1, max: 300 * KIB })), { maxLength: 12 }),
        async reads => {
          await using server = await MisbehavingServer.start(BODY)
          const keep = new MemoryKeep()
          for (const time of ['first', 'again']) {
            const { device, read } = await opened(server.url, {}, undefined, keep)
            const asked = server.asked.length
            await Promise.all(reads.map(async ([at, length]) => same(await read(at, length), at)))
            if (time === 'again') assert.equal(server.asked.length, asked)
            await device.close()
          }
        },
      ),
      { numRuns: 20 },
    ))
})

describe('a server that misbehaves for ever after the opening', { concurrency: 8 }, () => {
  for (const [name, end] of Object.entries(FOR_EVER))
    it(name, async () => {
      const behaviour: Behaviour = BEHAVIOURS[name as keyof typeof BEHAVIOURS]
      await using server = await MisbehavingServer.start(BODY, afterOpening(behaviour))
      const { read, hurry } = await opened(server.url, { deadline: 1000 })
      if (STALLS.includes(name)) hurry()
      const reading = read(200 * KIB, 100_000)
      if (end === 'right bytes') {
        same(await reading, 200 * KIB)
        return
      }
      const [codes, words] = end
      await assert.rejects(reading, error => {
        assert(error instanceof RemoteError, String(error))
        assert(codes.split('|').includes(error.code), `${error.code}: ${error.message}`)
        assert.match(error.message, words)
        return true
      })
    })
})

describe('a server that misbehaves twice and mends', { concurrency: 8 }, () => {
  const passing = Object.entries(FOR_EVER).filter(
    ([, end]) => end !== 'right bytes' && end[0].includes('EREMOTEIO'),
  )
  for (const [name] of passing)
    it(name, async () => {
      const behaviour: Behaviour = BEHAVIOURS[name as keyof typeof BEHAVIOURS]
      await using server = await MisbehavingServer.start(BODY, forAWhile(2, behaviour))
      const { read, hurry } = await opened(server.url)
      if (STALLS.includes(name)) hurry()
      same(await read(300 * KIB, 100_000), 300 * KIB)
      assert(server.asked.length > 3, 'it was asked again')
    })
})

describe('opening', () => {
  const refuses = async (behaviour: Behaviour, code: string, words: RegExp, settings = {}) => {
    await using server = await MisbehavingServer.start(BODY, behaviour)
    await assert.rejects(opened(server.url, settings), fails(code, words))
  }
  it('of a file that is not there says ENOENT', () =>
    refuses(BEHAVIOURS['gone with 404'], 'ENOENT', /no such file/))
  it('of a file without an ETag is refused, since a change could go unnoticed', () =>
    refuses(BEHAVIOURS['no ETag in the middle'], 'ENOTSUP', /no strong ETag.*pin: 'weak'/))
  it('of a file with a weak ETag likewise', () =>
    refuses(
      (ask, server) => {
        server.etag = 'W/"x"'
        wellBehaved(ask, server)
      },
      'ENOTSUP',
      /strong ETag/,
    ))
  it("takes a weak one with pin: 'weak', and notices that it changes", async () => {
    await using server = await MisbehavingServer.start(BODY)
    server.etag = 'W/"x"'
    const { read } = await opened(server.url, { pin: 'weak' })
    same(await read(200 * KIB, 10), 200 * KIB)
    server.etag = 'W/"y"'
    await assert.rejects(read(300 * KIB, 10), fails('ESTALE', /changed/))
  })
  it('asks with one GET for the first bytes and with no HEAD', async () => {
    await using server = await MisbehavingServer.start(BODY)
    const { device, read } = await opened(server.url)
    assert.deepEqual(server.asked, [{ from: 0, to: 64 * KIB }])
    assert.equal(device.length, LENGTH)
    same(await read(10, 64 * KIB - 10), 10)
    assert.equal(server.asked.length, 1, 'the first bytes are not asked for again')
  })
  it('of an empty file gives an empty device', async () => {
    await using server = await MisbehavingServer.start(new Uint8Array(0))
    const { device, read } = await opened(server.url)
    assert.equal(device.length, 0)
    assert.deepEqual(await read(0, 100), new Uint8Array(100))
  })
  it('of a server that says 416 and no length is refused, and not taken for empty', async () => {
    await using server = await MisbehavingServer.start(BODY, BEHAVIOURS['416 without a length'])
    await assert.rejects(opened(server.url), fails('EPROTO', /416 and did not say how long/))
  })
  it('takes a short file whole from a server that knows no ranges', async () => {
    const body = BODY.slice(0, 5000)
    await using server = await MisbehavingServer.start(body, BEHAVIOURS['the whole file with 200'])
    const { device, read } = await opened(server.url)
    assert.equal(device.length, 5000)
    assert.deepEqual((await read(4000, 2000)).subarray(0, 1000), body.slice(4000))
  })
  it('of nothing that listens is tried twice, and no longer', async () => {
    const server = await MisbehavingServer.start(BODY)
    await server[Symbol.asyncDispose]()
    let tries = 0
    const counted: RemoteSettings['fetch'] = (url, init) => {
      tries++
      return fetch(url, init)
    }
    await assert.rejects(opened(server.url, { fetch: counted }), fails('EREMOTEIO', /ECONNREFUSED/))
    assert.equal(tries, 2)
  })
})

describe('bytes', () => {
  it('are the file’s at any offset and length, past its end zeros (D2)', async () => {
    await using server = await MisbehavingServer.start(BODY)
    const { read } = await opened(server.url)
    const range = fc.tuple(fc.nat(LENGTH + 5000), fc.nat(200 * KIB))
    await fc.assert(
      fc.asyncProperty(fc.array(range, { minLength: 1, maxLength: 12 }), async ranges => {
        const got = await Promise.all(ranges.map(([position, length]) => read(position, length)))
        for (const [at, bytes] of got.entries()) same(bytes, ranges[at]![0])
      }),
      { numRuns: 30 },
    )
  })
  it('that lie near one another are asked for together', async () => {
    await using server = await MisbehavingServer.start(BODY)
    const { device, read } = await opened(server.url)
    const at = [400, 100, 130, 700, 410].map(kib => kib * KIB)
    const got = await Promise.all(at.map(position => read(position, 4096)))
    for (const [nth, bytes] of got.entries()) same(bytes, at[nth]!)
    assert.deepEqual(
      server.asked.slice(1).sort((a, b) => a.from - b.from),
      [
        { from: 100 * KIB, to: 134 * KIB },
        { from: 400 * KIB, to: 414 * KIB },
        { from: 700 * KIB, to: 704 * KIB },
      ],
    )
    const { requests, asked, used } = device.counts
    assert.deepEqual(
      { requests, asked, used },
      { requests: 4, asked: (64 + 34 + 14 + 4) * KIB, used: 5 * 4096 },
    )
  })
  it('that are far apart fail apart (HP2)', async () => {
    const broken: Behaviour = (ask, server) => {
      if (ask.from >= 500 * KIB) BEHAVIOURS['another ETag in the middle'](ask, server)
      else wellBehaved(ask, server)
    }
    await using server = await MisbehavingServer.start(BODY, afterOpening(broken))
    const { read } = await opened(server.url)
    const [good, bad] = await Promise.allSettled([read(100 * KIB, 10), read(900 * KIB, 10)])
    assert.equal(good.status, 'fulfilled')
    assert.equal(bad.status, 'rejected')
  })
  it('are never asked for by more requests at once than the origin takes (RO1)', async () => {
    let now = 0
    let most = 0
    const slow: Behaviour = (ask, server) => {
      most = Math.max(most, ++now)
      ask.response.on('close', () => now--)
      setImmediate(() => wellBehaved(ask, server))
    }
    const body = new Uint8Array(64 * 200 * KIB)
    await using server = await MisbehavingServer.start(body, slow)
    const { read } = await opened(server.url, { connections: 3 })
    await Promise.all(Array.from({ length: 60 }, (_, at) => read(at * 200 * KIB, 100)))
    assert(most <= 3, `${most} at once`)
  })
  it('are asked for with If-Match, or compared only', async () => {
    await using server = await MisbehavingServer.start(BODY)
    const sent = await opened(server.url)
    await sent.read(200 * KIB, 10)
    assert.equal(server.headers.at(-1)!['if-match'], '"one"')
    const compared = await opened(server.url, { preconditions: 'compared' })
    await compared.read(200 * KIB, 10)
    assert.equal(server.headers.at(-1)!['if-match'], undefined)
    server.etag = '"two"'
    await assert.rejects(sent.read(300 * KIB, 10), fails('ESTALE', /changed/))
    await assert.rejects(compared.read(300 * KIB, 10), fails('ESTALE', /changed/))
  })
})

describe('credentials', () => {
  const keyed =
    (key: () => string): Behaviour =>
    (ask, server) => {
      if (ask.request.headers.authorization === key()) wellBehaved(ask, server)
      else ask.response.writeHead(401).end()
    }
  it('are asked for once, and once more when they ran out', async () => {
    let valid = 'first'
    let told = 0
    await using server = await MisbehavingServer.start(
      BODY,
      keyed(() => valid),
    )
    const authorization = freshHeaders(async () => {
      told++
      return { authorization: valid }
    })
    const { read } = await opened(server.url, { authorization })
    await read(200 * KIB, 10)
    assert.equal(told, 1)
    valid = 'second'
    same(await read(300 * KIB, 10), 300 * KIB)
    assert.equal(told, 2)
  })
  it('that stay wrong are EACCES, after one refresh', async () => {
    await using server = await MisbehavingServer.start(
      BODY,
      keyed(() => 'no one has it'),
    )
    const authorization = freshHeaders(async () => ({ authorization: 'wrong' }))
    await assert.rejects(opened(server.url, { authorization }), fails('EACCES', /answered 401/))
    assert.equal(server.asked.length, 2)
  })
  it('that can not be had are EACCES, with the reason', async () => {
    await using server = await MisbehavingServer.start(BODY)
    const authorization = freshHeaders(() => Promise.reject(new Error('the vault is closed')))
    await assert.rejects(opened(server.url, { authorization }), fails('EACCES', /the vault is closed/))
  })
})

describe('a late answer', () => {
  it('is raced by a second request, and the slow one is given up', async () => {
    const gone = Promise.withResolvers<void>()
    const tail: Behaviour = (ask, server) => {
      if (ask.nth === 1) ask.response.on('close', gone.resolve)
      else wellBehaved(ask, server)
    }
    await using server = await MisbehavingServer.start(BODY, tail)
    const origin = new Origin(new URL(server.url).origin, 16)
    for (let nth = 0; nth < 40; nth++) origin.answered(200)
    const patient = { headersWithin: 20_000, progressWithin: 20_000, deadline: 20_000 }
    const { device, read } = await opened(server.url, patient, origin)
    same(await read(300 * KIB, 100), 300 * KIB)
    await gone.promise
    assert(device.counts.hedges >= 1)
    assert.equal(device.counts.retries, 0)
  })
  it('is raced only while most requests end well and the budget lasts (RO2)', () => {
    const origin = new Origin('https://example.org', 1)
    assert.equal(origin.hedgeAfter, undefined, 'nothing is known yet')
    for (let nth = 0; nth < 40; nth++) origin.answered(200)
    assert(Math.abs(origin.hedgeAfter! - 200) < 200 / 16)
    const tailed = new Origin('https://example.org', 1)
    for (let nth = 0; nth < 4; nth++) tailed.answered(20)
    assert.equal(tailed.hedgeAfter, undefined, 'too few')
    for (let nth = 0; nth < 40; nth++) tailed.answered(nth % 10 === 0 ? 200 : 20)
    assert(Math.abs(tailed.hedgeAfter! - 60) <= 60 / 16, 'where a tenth is slow, not as late as they are')
    for (let nth = 0; nth < 10; nth++) origin.ended('badly', 0, 1)
    assert.equal(origin.hedgeAfter, undefined)
    const spent = Array.from({ length: 20 }, () => origin.mayHedge()).filter(Boolean)
    assert.equal(spent.length, 3)
    for (let nth = 0; nth < 100; nth++) {
      origin.enter(() => {})
      origin.leave()
    }
    const again = Array.from({ length: 20 }, () => origin.mayHedge()).filter(Boolean)
    assert(again.length <= 3 && again.length >= 2, 'a twentieth of a hundred, at most as many as at first')
  })
})

describe('closing', () => {
  it('ends what is under way, once', async () => {
    await using server = await MisbehavingServer.start(BODY, afterOpening(BEHAVIOURS['no answer at all']))
    const { device, read } = await opened(server.url, {
      headersWithin: 20_000,
      deadline: 20_000,
      connections: 1,
    })
    const reads = [read(200 * KIB, 10), read(700 * KIB, 10)]
    await new Promise(done => setImmediate(done))
    device.close()
    for (const each of await Promise.allSettled(reads)) assert.equal(each.status, 'rejected')
  })
})

describe('a fetch that does not listen to its signal', () => {
  it('is given up all the same (RF1)', async () => {
    await using server = await MisbehavingServer.start(BODY)
    let deaf = false
    const fetchDeaf: RemoteSettings['fetch'] = (url, init) =>
      deaf ? new Promise(() => {}) : fetch(url, init)
    const { read, hurry } = await opened(server.url, { fetch: fetchDeaf })
    hurry()
    deaf = true
    await assert.rejects(read(200 * KIB, 10), fails('ETIMEDOUT', /within 60 ms|in time/))
  })
})
