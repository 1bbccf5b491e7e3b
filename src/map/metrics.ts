/**
 * What a machine counts, as Prometheus reads it: the counters of ps for each space, and those of cgroup2 for each group, with
 * what is below it.
 *
 * Format: text, version 0.0.4 (https://prometheus.io/docs/instrumenting/exposition_formats/). Units are bytes and seconds.
 */
import { ROOT } from '../base/index.ts'
import type { Engine } from '../engine/index.ts'
import { type Status, status } from '../proc/index.ts'

type Labels = Readonly<Record<string, string | number>>
type Sample = readonly [labels: Labels, value: number]

const SPACES: readonly (readonly [string, 'gauge' | 'counter', string, (status: Status) => number])[] = [
  ['space_mapped_bytes', 'gauge', 'What is mapped.', each => each.vmSize],
  ['space_resident_bytes', 'gauge', 'What of it is in memory.', each => each.vmRss],
  ['space_swapped_bytes', 'gauge', 'What of it is in swap.', each => each.vmSwap],
  [
    'space_minor_faults_total',
    'counter',
    'Faults that found their page in memory.',
    each => each.minorFaults,
  ],
  ['space_major_faults_total', 'counter', 'Faults that had a page read.', each => each.majorFaults],
  ['space_retries_total', 'counter', 'Attempts of faults beyond the first.', each => each.retries],
  ['space_io_under_lock_total', 'counter', 'Waits for I/O with a lock held.', each => each.ioUnderLock],
]
const MICROSECONDS = 1e-6

/** Cost: a look at every task for each space, and at every group for each group above it. */
export function metrics(engine: Engine): string {
  const { mm, groups, tree } = engine
  const spaces = [...mm.spaces.values()].map(space => status(mm, space))
  const ids = Array.from({ length: tree.last }, (_, at) => ROOT + at)
  const perGroup = (samples: (read: (key: string) => string) => Sample[]): Sample[] =>
    ids.flatMap(id =>
      samples(key => groups.read(id, key)).map(
        ([labels, value]): Sample => [{ group: groups.path(id), ...labels }, value],
      ),
    )
  return [
    ...SPACES.map(([name, kind, help, value]) =>
      family(
        name,
        kind,
        help,
        spaces.map(each => [{ pid: each.pid, space: each.name }, value(each)]),
      ),
    ),
    family(
      'group_memory_bytes',
      'gauge',
      'memory.current: what the group and those below it use.',
      perGroup(read => [[{}, Number(read('memory.current'))]]),
    ),
    family(
      'group_memory_stat',
      'untyped',
      'memory.stat, by its names: bytes, or counts of what happened.',
      perGroup(read => pairs(read('memory.stat')).map(([stat, value]) => [{ stat }, value])),
    ),
    family(
      'group_memory_events_total',
      'counter',
      'memory.events, by their names.',
      perGroup(read => pairs(read('memory.events')).map(([event, value]) => [{ event }, value])),
    ),
    family(
      'group_io',
      'untyped',
      'io.stat, by its names, for each disk: bytes and requests.',
      perGroup(read => fieldsOf(read('io.stat')).map(([disk, stat, value]) => [{ disk, stat }, value])),
    ),
    family(
      'group_pressure_seconds_total',
      'counter',
      'How long some or all tasks waited for memory or I/O.',
      perGroup(read =>
        ['memory', 'io'].flatMap(resource =>
          fieldsOf(read(`${resource}.pressure`))
            .filter(([, field]) => field === 'total')
            .map(([who, , total]): Sample => [{ resource, who }, total * MICROSECONDS]),
        ),
      ),
    ),
  ].join('')
}

function family(name: string, kind: string, help: string, samples: readonly Sample[]): string {
  const lines = samples.map(([labels, value]) => `faultline_${name}{${shownLabels(labels)}} ${value}\n`)
  return `# HELP faultline_${name} ${help}\n# TYPE faultline_${name} ${kind}\n${lines.join('')}`
}

function shownLabels(labels: Labels): string {
  return Object.entries(labels)
    .map(([name, value]) => `${name}="${String(value).replace(/[\\"\n]/g, escaped)}"`)
    .join(',')
}

function escaped(character: string): string {
  return character === '\n' ? '\\n' : `\\${character}`
}

/** Lines of a name and a number. */
function pairs(text: string): (readonly [string, number])[] {
  return linesOf(text).map(line => {
    const [name = '', value] = line.split(' ')
    return [name, Number(value)]
  })
}

/** Lines of a name and fields: 8:0 rbytes=4096 rios=1. Fields that are no numbers are left out. */
function fieldsOf(text: string): (readonly [string, string, number])[] {
  return linesOf(text).flatMap(line => {
    const [name = '', ...fields] = line.split(' ')
    return fields
      .map(field => field.split('='))
      .map(([key = '', value]) => [name, key, Number(value)] as const)
      .filter(([, , value]) => Number.isFinite(value))
  })
}

function linesOf(text: string): string[] {
  return text.split('\n').filter(line => line !== '')
}
