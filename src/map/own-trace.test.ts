/** What a machine says of itself to a person: check, dump, and a trace without a change to the program. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'

test('check() finds nothing wrong, dump() says what goes on, and FAULTLINE_TRACE writes a trace of a program of its own', async t => {
  const directory = fs.mkdtempSync(join(tmpdir(), 'faultline-own-trace-'))
  t.after(() => fs.rmSync(directory, { recursive: true }))
  const data = join(directory, 'data.bin')
  fs.writeFileSync(data, new Uint8Array(64 * 4096))
  const program = join(directory, 'program.mts')
  fs.writeFileSync(
    program,
    `import { Machine } from ${JSON.stringify(new URL('../index.ts', import.meta.url).href)}
const machine = await Machine.start({ memory: '4 MiB' })
const space = machine.space({ name: 'counter' })
const map = await space.map(await machine.open(${JSON.stringify(data)}, { mode: 'r+' }), { prot: 'rw' })
const section = map.run(view => view.setU32(8192, 7))
const during = machine.dump()
await section
console.log(JSON.stringify({ tasks: during.tasks.map(({ verb }) => verb), check: machine.check(), broken: during.broken }))
if (process.argv[2] === 'close') await machine.close()
`,
  )
  for (const end of ['close', 'exit']) {
    const trace = join(directory, `${end}.perfetto`)
    const { stdout, stderr, status } = spawnSync(
      process.execPath,
      ['--conditions=faultline-source', program, end],
      { env: { ...process.env, FAULTLINE_TRACE: trace }, encoding: 'utf8' },
    )
    assert.equal(status, 0, stderr)
    assert.deepEqual(JSON.parse(stdout), { tasks: ['fault'], check: [], broken: [] })
    const bytes = fs.readFileSync(trace, 'latin1')
    for (const word of ['counter', 'fault', 'data.bin']) assert.ok(bytes.includes(word), `${end}: ${word}`)
    assert.deepEqual(
      fs.readdirSync(directory).filter(name => name.endsWith('.part')),
      [],
    )
  }
})
