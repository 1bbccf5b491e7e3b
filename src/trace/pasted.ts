/**
 * Text as it was pasted: what mail, terminals, logs and pages put before each line of a trace, found in its first lines and
 * taken off all of them.
 *
 *     > > [ 4591.000012]   store-26786   [000] ...        marks of a quotation, then dmesg's time
 *
 * A mark counts when most of the sample's lines bear it; several may lie over each other, the outermost is found first. A line
 * without the mark is passed on as it is.
 */
export interface Pasted {
  /** What was found, the outermost first, in words. */
  readonly marks: readonly string[]
  strip(line: string): string
}

const PART = 0.6
const ALL = 0.98
/** What terminals take for a colour begins so. */
const ESCAPE = '\x1b['
const COLOUR = new RegExp(`${ESCAPE.replace('[', '\\[')}[\\d;]*[mK]`, 'g')
/** What /dev/kmsg gives behind a line. */
const DICTIONARY = /^ [A-Z_]+=\S*$/
const LAYERS_MAX = 6

interface Mark {
  readonly name: string
  readonly at: RegExp
  /** How many of the sample's lines must bear it. */
  readonly part: number
  /** What the marks must be besides, in the order of the lines. */
  readonly are?: (marks: readonly string[]) => boolean
}

const MARKS: readonly Mark[] = [
  { name: 'marks of a quotation', at: /^(?:> ?)+/, part: PART },
  { name: 'times of dmesg', at: /^(?:<\d+>)?\[ *\d+\.\d+(?: <[ \d.]+>)?\](?:\[ *[TC]\d+\])? ?/, part: PART },
  {
    name: 'times of a journal',
    at: /^(?:<\d+>)?[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d(?:\.\d+)? \S+ kernel(?:\[\d+\])?: ?/,
    part: PART,
  },
  {
    name: 'times of a journal',
    at: /^(?:[A-Z][a-z]{2} )?\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?: ?(?:[+-]\d\d:?\d\d|[A-Z]{1,5}))? (?:\S+ )?kernel(?:\[\d+\])?: ?/,
    part: PART,
  },
  { name: 'times of a journal', at: /^\d{9,}\.\d{6} \S+ kernel(?:\[\d+\])?: ?/, part: PART },
  { name: 'names of a journal', at: /^\S+ kernel(?:\[\d+\])?: ?/, part: PART },
  {
    name: 'headers of syslog',
    at: /^<\d+>1 \S+ \S+ \S+ \S+ \S+ (?:-|(?:\[(?:[^\]\\]|\\.)*\])+) ?(?:\ufeff|\xef\xbb\xbf)?/,
    part: PART,
  },
  {
    name: "times of a container's log",
    at: /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d) (?:(?:stdout|stderr) [FP] ?)?/,
    part: PART,
  },
  { name: "names of a container's log", at: /^(?:\[pod\/\S+\] |[\w.-]*[A-Za-z][\w.-]* +\| ?)/, part: ALL },
  { name: 'headers of /dev/kmsg', at: /^(?:[\w.+-]+,)?\d+,\d+,\d+,[^;]{1,80};/, part: PART },
  { name: 'times of a terminal', at: /^\[\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:\.\d+)?\] ?/, part: PART },
  {
    name: 'times of logcat',
    at: /^(?:\d{4}-)?\d\d-\d\d \d\d:\d\d:\d\d\.\d{3,6} +\d+ +\d+ [VDIWEF] [^:]*: ?/,
    part: PART,
  },
  {
    name: 'times of dmesg -T',
    at: /^\[[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4}(?: <[ \d.]+>)?\] ?/,
    part: PART,
  },
  {
    name: 'times of dmesg -e',
    at: /^\[(?:[A-Z][a-z]{2} ?\d+ \d\d:\d\d| *\+\d+\.\d+)\] ?/,
    part: PART,
  },
  { name: 'levels of dmesg -x', at: /^[a-z]+ *:[a-z]+ *: ?/, part: PART },
  { name: 'numbers of lines', at: /^ *\d+(?:[:|\t] ?| )/, part: PART, are: areCounting },
  { name: 'an indent', at: /^(?: {4}|\t)/, part: ALL },
  { name: 'marks of a difference', at: /^\+/, part: ALL },
]

const ENTITIES: Readonly<Record<string, string>> = {
  '&lt;': '<',
  '&gt;': '>',
  '&amp;': '&',
  '&quot;': '"',
  '&#39;': "'",
}
const ENTITY = /&(?:lt|gt|amp|quot|#39);/g

/** What lies before the lines of `sample`, null for nothing. */
export function pastedOver(sample: string): Pasted | null {
  let lines = sample.split(/\r?\n/).filter(line => line.trim() !== '' && !DICTIONARY.test(line))
  const isColoured = lines.filter(line => line.includes(ESCAPE)).length >= Math.max(2, lines.length * PART)
  if (isColoured) lines = lines.map(line => line.replace(COLOUR, ''))
  const found: Mark[] = []
  for (let layer = 0; layer < LAYERS_MAX; layer++) {
    const mark = MARKS.find(each => isOver(each, lines))
    if (mark === undefined) break
    found.push(mark)
    lines = lines.map(line => line.replace(mark.at, '')).filter(line => line.trim() !== '')
  }
  if (found.length === 0 && !isColoured) return null
  return {
    marks: [...(isColoured ? ['colours'] : []), ...found.map(mark => mark.name)],
    strip: line =>
      found.reduce((text, { at }) => text.replace(at, ''), isColoured ? line.replace(COLOUR, '') : line),
  }
}

export const withoutEntities = (line: string): string => line.replace(ENTITY, entity => ENTITIES[entity]!)

function isOver({ at, part, are }: Mark, lines: readonly string[]): boolean {
  const marks = lines.flatMap(line => at.exec(line)?.[0] ?? [])
  return marks.length > 1 && marks.length >= lines.length * part && (are?.(marks) ?? true)
}

function areCounting(marks: readonly string[]): boolean {
  const numbers = marks.map(mark => Number.parseInt(mark, 10))
  const next = numbers.filter(
    (number, at) => at > 0 && number > numbers[at - 1]! && number <= numbers[at - 1]! + 2,
  )
  return next.length >= (numbers.length - 1) * 0.9
}
