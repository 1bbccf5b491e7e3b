/** What workloads begin with: a small volume with two files and a directory, made once for each way in which they can lie. */
import { assert, type Bytes } from '../../base/index.ts'
import type { Image } from './image.ts'
import { type Operation, operationNamed, write } from './operations.ts'
import { Oracle } from './oracle.ts'
import { openAll } from './play.ts'
import { oracleOf, recover } from './recovery.ts'
import { expectValue, type Mode, PAGE, Stage } from './stage.ts'
import type { Start } from './workloads.ts'

export interface Beginning {
  readonly image: Image | undefined
  readonly oracle: Oracle
}

const SIZES = { a: 2.5 * PAGE, b: 2 * PAGE }
/** Above all that operations write (play.ts). */
const FIRST_VALUE = 0xa0
const images = new Map<string, Image>()

export function begin(mode: Mode, start: Start): Beginning {
  if (start === 'nothing') {
    const oracle = new Oracle(mode, new Map(), new Map())
    oracle.mayBeNothing = true
    return { image: undefined, oracle }
  }
  const known = `${mode} ${start}`
  const image = images.get(known) ?? make(mode, start)
  images.set(known, image)
  const { found, wrong } = recover(image, mode)
  assert(found !== undefined, `a volume that lies ${start} opens: ${wrong}`)
  return { image, oracle: oracleOf(found, mode) }
}

function make(mode: Mode, start: Start): Image {
  const made = new Stage({ mode: 'cache', order: 'oldest-first', image: undefined })
  made.settle()
  for (const name of ['a', 'b']) expectValue(made.volume.create(`/${name}`, 'file'), 'create')
  expectValue(made.volume.create('/d', 'directory'), 'create')
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
  openAll(made, oracle)
  const fill = (name: string, length: Bytes) => write('fill', name, () => ({ position: 0, length }))
  const clone = ['clone', 'sync'].map(named)
  perform(made, oracle, [fill('a', SIZES.a), fill('b', SIZES.b), named('sync')])
  if (start === 'clones') perform(made, oracle, clone)
  if (start === 'apart' || start === 'clones') return made.image()
  const stored = new Stage({ mode, order: 'oldest-first', image: made.image() })
  stored.settle()
  openAll(stored, oracle)
  perform(stored, oracle, [...['store-head', 'store-part', 'store-tail', 'store-b', 'sync'].map(named)])
  if (start === 'plain-clones') perform(stored, oracle, clone)
  return stored.image()
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
