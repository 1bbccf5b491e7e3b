/**
 * Logs that keep each line of text in a record: Docker's and Kubernetes' JSON, journalctl's json, export and verbose, dmesg -J, and others'
 * that name the text alike. The text of each record is a line again.
 *
 *     {"log":"[   12.3] INFO: task ...\n","stream":"stdout","time":"..."}  ->  [   12.3] INFO: task ...
 *     MESSAGE=INFO: task ...                                               ->  INFO: task ...
 *
 * Of a journal's record the kernel's own time is put before its text, as dmesg has it.
 */
import type { Bytes } from './unpackers.ts'

/** What logs call the text of a record, the surest name first. */
const TEXTS = ['log', 'MESSAGE', 'message', 'textPayload', 'msg', 'line'] as const
const KERNEL_TIME = '_SOURCE_MONOTONIC_TIMESTAMP'
const SNIFF_BYTES = 16 * 1024
/** So many of the first lines must be records. */
const PART = 0.6
/** A container's longer lines come in pieces of this size. */
const PIECE_CHARACTERS = 16 * 1024
/** What a mail, a number of its line or an array puts before a record is left away. */
const RECORD = /^[^{]{0,200}(\{\s*".*\})[\],]*\s*$/
const PRETTY = /^\s*"(?:MESSAGE|msg)" ?: (".*"),?\s*$/
const FIELD = /^(?:> ?)*\s*MESSAGE=(.*)$/
const FIELDS = /^(?:> ?)*(?: {4})?(?:_TRANSPORT|_BOOT_ID|PRIORITY)=/

interface Reading {
  readonly textOf: (line: string) => string | null
}

const ONE_A_LINE: Reading = { textOf: line => textOfRecord(RECORD.exec(line)?.[1] ?? '') ?? line }
const PRETTY_JSON: Reading = {
  textOf: line => {
    const found = PRETTY.exec(line)
    return found === null ? null : textOf(JSON.parse(found[1]!))
  },
}
const FIELDS_OF_LINES: Reading = { textOf: line => FIELD.exec(line)?.[1] ?? null }

/** How a text that begins like this is read, if it is such a log. */
export function readingOf(first: Buffer): Reading | null {
  const lines = first.toString('utf8', 0, SNIFF_BYTES).split(/\r?\n/)
  // The last one may go on behind what is seen.
  const whole = lines.slice(0, Math.max(1, lines.length - 1)).filter(line => line.trim() !== '')
  const records = whole.filter(line => textOfRecord(RECORD.exec(line)?.[1] ?? '') !== null)
  if (records.length > 0 && records.length >= whole.length * PART) return ONE_A_LINE
  if (whole.length === 1 && /^(?:data: |\[)?\s*\{\s*"/.test(whole[0]!) && hasText(whole[0]!))
    return ONE_A_LINE
  if (whole[0]?.trim() === '{' && whole.some(line => /^\s*"(?:MESSAGE|__CURSOR|dmesg)" ?: /.test(line)))
    return PRETTY_JSON
  return whole.some(line => FIELD.test(line)) && whole.some(line => FIELDS.test(line))
    ? FIELDS_OF_LINES
    : null
}

export async function* linesOf(source: Bytes): AsyncGenerator<Buffer> {
  let reading: Reading | null = null
  let rest = Buffer.alloc(0)
  for await (const piece of source) {
    const all = Buffer.concat([rest, piece])
    reading ??= readingOf(all)
    const end = all.lastIndexOf(10) + 1
    rest = Buffer.from(all.subarray(end))
    if (end > 0) yield told(all.toString('utf8', 0, end - 1), reading!)
  }
  if (rest.length > 0) yield told(rest.toString('utf8'), reading!)
}

function told(text: string, { textOf }: Reading): Buffer {
  const lines = text.split('\n').flatMap(line => textOf(line.replace(/\r$/, '')) ?? [])
  return Buffer.from(lines.map(line => (isPiece(line) || line.endsWith('\n') ? line : `${line}\n`)).join(''))
}

const isPiece = (line: string): boolean => line.length >= PIECE_CHARACTERS && !line.endsWith('\n')

const hasText = (line: string): boolean => TEXTS.some(name => line.includes(`"${name}":`))

function textOfRecord(json: string): string | null {
  try {
    const record = JSON.parse(json) as Readonly<Record<string, unknown>>
    const name = TEXTS.find(each => typeof record[each] === 'string' || Array.isArray(record[each]))
    if (name === undefined) return null
    const text = textOf(record[name])
    const microseconds = record[KERNEL_TIME]
    if (microseconds === undefined || text.startsWith('[')) return text
    return `[${(Number(microseconds) / 1e6).toFixed(6).padStart(12)}] ${text}`
  } catch {
    return null
  }
}

/** A journal has text that isn't UTF-8 as a list of bytes. */
const textOf = (value: unknown): string =>
  Array.isArray(value) ? Buffer.from(value as number[]).toString('utf8') : String(value)
