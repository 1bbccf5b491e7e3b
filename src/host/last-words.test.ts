/** Who is called last at the end of a process, and that several who want to be come to an end about it. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'

const program = (body: string): string[] => {
  const from = JSON.stringify(new URL('./last-words.ts', import.meta.url).href)
  return [
    '--input-type=module',
    '--disable-warning=ExperimentalWarning',
    '-e',
    `import { lastAtExit } from ${from}\n${body}`,
  ]
}

function printed(body: string): string {
  const { status, stdout, stderr } = spawnSync(process.execPath, program(body), {
    encoding: 'utf8',
    timeout: 60_000,
  })
  assert.equal(status, 0, stderr)
  return stdout.trim().replaceAll('\n', ' ')
}

test('two who are last stay so, and nobody waits for ever (LAE1)', () => {
  const said = printed(`
    lastAtExit(() => console.log('one'))
    lastAtExit(() => console.log('two'))
    process.on('exit', () => console.log('theirs'))
    await new Promise(done => setImmediate(done))
    process.on('exit', () => console.log('theirs again'))
    await new Promise(done => setImmediate(done))`)
  assert.deepEqual(said.split(' ').slice(0, 3), ['theirs', 'theirs', 'again'])
  assert.deepEqual(said.split(' ').slice(3).sort(), ['one', 'two'])
})
