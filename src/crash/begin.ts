/** What workloads begin with: a small volume with two files and a directory, made once for each way in which they can lie. */
import { assert, type Bytes } from '../base/index.ts'
import { inFormat1, preallocatingArgs } from '../volume/index.ts'
import { type Image, Records } from './image.ts'
import { type Operation, operationNamed, write } from './operations.ts'
import { Oracle } from './oracle.ts'
import { openAll } from './play.ts'
import { type Found, oracleOf, recover } from './recovery.ts'
import { BLOCKS, expectDone, expectOk, expectValue, type Mode, PAGE, Stage } from './stage.ts'
import type { Start } from './workloads.ts'

export interface Beginning {
  readonly image: Image | undefined
  readonly oracle: Oracle
}

const SIZES = { a: 2.5 * PAGE, b: 2 * PAGE }
/** Who has the low blocks, and how many, until a and b lie behind them. */
const TAKER = '/taker'
const TAKEN = BLOCKS - 16
/** Above all that operations write (play.ts). */
const FIRST_VALUE = 0xa0
/** Each beginning that was asked for, and what another machine finds in it. */
const made = new Map<string, { readonly image: Image; readonly found: Found }>()

export function begin(mode: Mode, start: Start): Beginning {
  if (start === 'nothing') {
    const oracle = new Oracle(mode, new Map(), new Map())
    oracle.mayBeNothing = true
    return { image: undefined, oracle }
  }
  const name = `${mode} ${start}`
  let known = made.get(name)
  if (known === undefined) {
    const image = make(mode, start)
    const { found, wrong } = recover(image, mode).verdict
    assert(found !== undefined, `a volume that lies ${start} opens: ${wrong}`)
    known = { image, found }
    made.set(name, known)
  }
  return { image: known.image, oracle: oracleOf(known.found, mode) }
}

function make(mode: Mode, start: Start): Image {
  const first = new Stage({
    mode: 'cache',
    order: 'oldest-first',
    image: start === 'high' ? lowBlocksTaken() : undefined,
  })
  first.settle()
  for (const name of ['a', 'b']) expectValue(first.volume.create(`/${name}`, 'file'), 'create')
  expectValue(first.volume.create('/d', 'directory'), 'create')
  const oracle = new Oracle(
    'cache',
    new Map([
      ['/a', 'a'],
      ['/b', 'b'],
    ]),
    new Map([
      ['a', new Uint8Array(0)],
      ['b', new Uint8Array(0)],
    ]),
  )
  openAll(first, oracle)
  const fill = (name: string, length: Bytes) => write('fill', name, () => ({ position: 0, length }))
  const clone = ['clone', 'sync'].map(named)
  perform(first, oracle, [fill('a', SIZES.a), fill('b', SIZES.b), named('sync')])
  if (start === 'high') {
    perform(first, oracle, [named('clone-head'), named('sync')])
    expectOk(first.volume.unlink(TAKER).errno, 'unlink')
    perform(first, oracle, [named('commit')])
  }
  if (start === 'clones' || start === 'format-1') perform(first, oracle, clone)
  if (start === 'apart' || start === 'clones' || start === 'high') return first.image()
  if (start === 'format-1') {
    const { blocks, records } = first.image()
    return { blocks, records: new Records(inFormat1(records.entries)) }
  }
  const stored = new Stage({ mode, order: 'oldest-first', image: first.image() })
  stored.settle()
  openAll(stored, oracle)
  perform(stored, oracle, [...['store-head', 'store-part', 'store-tail', 'store-b', 'sync'].map(named)])
  if (start === 'plain-clones') perform(stored, oracle, clone)
  return stored.image()
}

/** A volume whose low blocks a file has, so that what comes next lies behind them. */
function lowBlocksTaken(): Image {
  const stage = new Stage({ mode: 'cache', order: 'oldest-first', image: undefined })
  stage.settle()
  expectValue(stage.volume.create(TAKER, 'file'), 'create')
  const file = expectValue(stage.volume.open(TAKER), 'open')
  const plan = { file, position: 0, length: TAKEN * PAGE, how: 'allocate', size: 'grows' } as const
  const task = stage.spawn(stage.volume.preallocating, preallocatingArgs(plan))
  stage.settle()
  expectDone(task)
  const commit = stage.volume.sync()
  stage.settle()
  expectOk(commit.errno, 'commit')
  return stage.image()
}

function perform(stage: Stage, oracle: Oracle, operations: readonly Operation[]): void {
  operations.forEach((operation, number) => {
    for (const _ of operation.run(stage, oracle, FIRST_VALUE + number)) stage.settle()
    stage.settle()
  })
}

function named(name: string): Operation {
  const operation = operationNamed(name)
  assert(operation !== undefined, `there is an operation ${name}`)
  return operation
}
