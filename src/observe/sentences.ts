/**
 * An account as text that reads well at 80 columns: each chain as sentences, then the totals as small tables.
 *
 * Every sentence says only what the account says; how sure a link is stands behind it in brackets, with the reason when it
 * isn't certain.
 */

import type { Account, Cause, Inversion, Link } from '../analysis/index.ts'
import { EVENTS } from '../analysis/index.ts'
import { printable } from '../base/index.ts'
import type { AnalyzedFiles } from './analyze.ts'

const COLUMNS = 80
const ROWS = 5
const CHAINS = 10
/** A device idle for this part of a wait for it: the request was held back before it. */
const HELD_BACK = 0.9

export function accountText(account: Account, thresholdMs: number): string {
  const { trace } = account
  if (account.tasksSeen > 0 && trace.records === 0) return stateText(account)
  const lines: string[] = []
  lines.push(
    `${count(trace.records, 'record')} over ${seconds(trace.endSec - trace.startSec)}${account.lostEvents > 0 ? `, ${count(account.lostEvents, 'event')} lost` : ''}`,
    '',
  )
  if (account.atStart.length > 0) lines.push(underWayText(account.atStart))
  const found = account.inversions.length + trace.inversionsNotKept
  lines.push(
    found === 0
      ? `No wait of ${thresholdMs} ms or more for an mmap_lock is explained by another task.`
      : `${count(found, 'priority inversion')} of ${thresholdMs} ms or more:`,
    '',
  )
  const shown = account.inversions.toSorted((a, b) => b.waitMs - a.waitMs).slice(0, CHAINS)
  lines.push(...behindText(account, thresholdMs))
  shown.forEach((inversion, at) => {
    lines.push(...numbered(at + 1, inversionText(inversion)), '')
  })
  if (found > CHAINS) lines.push(`These are the ${CHAINS} longest; --json has more.`, '')
  lines.push(...requestsText(account.requests, thresholdMs))
  lines.push(...openText(account, thresholdMs))
  lines.push(...totalsText(account))
  return `${lines.join('\n').trimEnd()}\n`
}

/** Waits for daemons of FUSE. */
function requestsText(requests: readonly Inversion[], thresholdMs: number): string[] {
  if (requests.length === 0) return []
  const shown = requests.toSorted((a, b) => b.waitMs - a.waitMs).slice(0, CHAINS)
  return [
    `${count(requests.length, 'wait')} of ${thresholdMs} ms or more for a request of FUSE:`,
    '',
    ...shown.flatMap((wait, at) => [...numbered(at + 1, inversionText(wait)), '']),
    ...(requests.length > CHAINS ? [`These are the ${CHAINS} longest; --json has more.`, ''] : []),
  ]
}

function openText(account: Account, thresholdMs: number): string[] {
  const open = account.openWaits.filter(wait => wait.from === 'state' || wait.waitMs >= thresholdMs)
  if (open.length === 0) return []
  return [
    'Still waiting at the end of the trace:',
    '',
    ...open.flatMap((inversion, at) => [...numbered(at + 1, inversionText(inversion)), '']),
  ]
}

/** The account of a run whose inversions were told as they ended: what was under way, what is still open, and the totals. */
export function watchedText(account: Account, thresholdMs: number): string {
  const found = account.inversions.length + account.trace.inversionsNotKept
  const told =
    found === 0
      ? `No wait of ${thresholdMs} ms or more for an mmap_lock is explained by another task.`
      : `${count(found, 'priority inversion')} told above.`
  const requests = requestsText(
    account.requests.filter(each => each.endSec === null),
    thresholdMs,
  )
  return `${[told, '', ...requests, ...openText(account, thresholdMs), ...totalsText(account)].join('\n').trimEnd()}\n`
}

/** What was under way when tracing began. */
export function underWayText(atStart: readonly Inversion[]): string {
  const lines = ['Under way when the trace begins:', '']
  atStart.forEach((inversion, at) => {
    lines.push(...numbered(at + 1, inversionText(inversion)), '')
  })
  return atStart.length === 0 ? '' : `${lines.join('\n')}\n`
}

/** An account of dumps of tasks alone. */
function stateText(account: Account): string {
  const lines = [
    `${count(account.tasksSeen, 'task')} at one moment: a state, not a history; nothing in it is certain.`,
    '',
  ]
  if (account.openWaits.length === 0) lines.push('No task in it waits for an mmap_lock.', '')
  lines.push(...behindText(account, 0))
  account.openWaits.forEach((inversion, at) => {
    lines.push(...numbered(at + 1, inversionText(inversion)), '')
  })
  lines.push('To be sure')
  for (const { events, cost } of account.missing) lines.push(...wrap(`${events}: ${cost}`, '  ', '    '))
  return `${lines.join('\n')}\n`
}

/** Who kept several waiting at once: a line for each such task, before the chains. */
function behindText({ behind }: Account, thresholdMs: number): string[] {
  const several = behind.filter(each => each.waits.length > 1 && each.longestMs >= thresholdMs)
  if (several.length === 0) return []
  return [
    ...several
      .slice(0, ROWS)
      .flatMap(each =>
        wrap(
          `${each.waits.length} tasks waited behind ${who(each)}${each.longestMs === 0 ? '' : `, up to ${millis(each.longestMs)} each`}: ${causeName(each.cause)}`,
          '',
          '   ',
        ),
      ),
    '',
  ]
}

/** What must be known before anything else of an account. */
export const doubtText = ({ doubts }: AnalyzedFiles): string =>
  doubts.map(doubt => `${wrap(doubt, '', '').join('\n')}\n`).join('')

export const filesText = (files: AnalyzedFiles['files']): string =>
  files
    .map(({ path, format, events, unread, notes }) => {
      const damage =
        unread === 0 ? '' : `; ${count(unread, 'line or page', 'lines or pages')} could not be read`
      const said = [`${path}: ${format}, ${count(events, 'event')}${damage}`, ...notes].join('; ')
      return wrap(said, '', '  ').join('\n')
    })
    .join('\n')

/** One inversion as a paragraph and the steps of its chain. */
export function inversionText(inversion: Inversion): string[] {
  const { waiter, chain, cause, startSec, endSec, waitMs } = inversion
  const [first, ...behind] = chain
  if (inversion.from === 'state') return stateChainText(inversion)
  const until = endSec === null ? 'and still waits' : `to ${endSec.toFixed(6)} s`
  const lines = wrap(
    `${who(waiter)} waited ${millis(waitMs)} for ${first!.waitsFor}${inAt(first!)}, ${startSec.toFixed(6)} ${until}`,
    '',
    '',
  )
  for (const link of behind) lines.push(...wrap(linkText(link), '<- ', '   '))
  const where = cause.device === null ? '' : ` on ${cause.device}`
  const by = cause.function === null ? '' : ` (${cause.function})`
  lines.push(...wrap(`cause: ${causeName(cause)}${where}${by} [${cause.certainty}: ${cause.why}]`, '', '   '))
  const last = chain.at(-1)!
  if (cause.preemptedBy !== null && cause.kind !== 'preempted')
    lines.push(
      ...wrap(
        `preempted by ${who(cause.preemptedBy)}, which had its CPU for ${millis(cause.preemptedBy.ms)}`,
        '   ',
        '   ',
      ),
    )
  if (cause.deviceIdleMs !== null && last.ms > 0 && cause.deviceIdleMs >= last.ms * HELD_BACK)
    lines.push(
      ...wrap(
        `${cause.device} had nothing in flight for ${millis(cause.deviceIdleMs)} of that: the request was held back before it reached the device, as a throttle does`,
        '   ',
        '   ',
      ),
    )
  if (behind.length > 0 && (waiter.group !== null || last.group !== null))
    lines.push(
      ...wrap(`suffered: ${who(waiter)}${cgroup(waiter)}; caused: ${who(last)}${cgroup(last)}`, '', '   '),
    )
  return lines
}

function stateChainText({ waiter, chain, cause, waitMs }: Inversion): string[] {
  const [first, ...behind] = chain
  const since = waitMs === 0 ? '' : `, for ${longMillis(waitMs)} or more`
  const by = cause.function === null ? '' : ` (${cause.function})`
  return [
    ...wrap(
      `${who(waiter)} waits for ${first!.waitsFor}${inAt(first!)}${since} [${first!.certainty}: ${first!.why}]`,
      '',
      '',
    ),
    ...behind.flatMap(link => {
      const then = link.waitsFor === null ? '' : ` and waits for ${link.waitsFor}`
      return wrap(
        `${who(link)} holds ${link.holds}${then}${inAt(link)} [${link.certainty}: ${link.why}]`,
        '<- ',
        '   ',
      )
    }),
    ...wrap(`cause: ${causeName(cause)}${by} [${cause.certainty}: ${cause.why}]`, '', '   '),
  ]
}

/** As it reads in a sentence: `preempted by fifo-hog (16563)`. */
export const causeName = ({ kind, preemptedBy }: Cause): string =>
  kind === 'preempted' && preemptedBy !== null ? `preempted by ${who(preemptedBy)}` : kind

/** A chain as one sentence, without its times. */
export function chainSentence({ waiter, chain, cause, waitMs }: Inversion): string {
  const [first, ...behind] = chain
  const links = behind.map((link, at) => {
    const sure = link.certainty === 'certain' ? 'held' : `${link.certainty} to be held`
    const held = link.role === 'queued before' ? 'behind' : `${sure} by`
    const end = at === behind.length - 1
    const then =
      link.waitsFor === null
        ? 'which ran'
        : `which waited for ${link.waitsFor === 'VMA lock' ? 'a VMA lock' : link.waitsFor}${end ? inAt(link) : ''}`
    return `, ${held} ${who(link)}, ${then}`
  })
  const unsaid = behind.length === 0 ? `; why is ${cause.kind}` : ''
  const waited = waitMs === 0 ? 'waits' : `waited ${longMillis(waitMs)}`
  return `${who(waiter)} ${waited} for ${first!.waitsFor}${links.join('')}${unsaid}`
}

const longMillis = (ms: number): string => (ms >= 1000 ? `${(ms / 1000).toFixed(2)} s` : millis(ms))

function linkText(link: Link): string {
  const then = link.waitsFor === null ? 'and ran' : `and waited for ${link.waitsFor}`
  const isPlain = link.certainty === 'certain' && link.why === EVENTS
  const sure = isPlain ? '[certain]' : `[${link.certainty}: ${link.why}]`
  return `${who(link)} held ${link.holds} for ${millis(link.ms)} of it ${then}${inAt(link)} ${sure}`
}

function totalsText(account: Account): string[] {
  const lines: string[] = []
  const { trace } = account
  const waited = account.waitByCause.filter(row => row.waitMs > 0)
  if (waited.length > 0) {
    lines.push('Wait by cause')
    for (const row of waited) lines.push(columns(millis(row.waitMs), count(row.waits, 'wait'), row.kind))
  }
  const worst = account.worstWaits.slice(0, ROWS)
  if (worst.length > 0) {
    lines.push('', 'Longest waits')
    for (const wait of worst)
      lines.push(columns(millis(wait.waitMs), wait.write ? 'write' : 'read', `${who(wait)} on mm ${wait.mm}`))
  }
  const holders = account.holders.slice(0, ROWS)
  if (holders.length > 0) {
    lines.push('', 'Longest holders, all their holds together')
    for (const holder of holders)
      lines.push(columns(millis(holder.heldMs), count(holder.holds, 'hold'), who(holder)))
  }
  if (trace.knownFrom.length > 0)
    lines.push(
      '',
      ...wrap(
        `The buffers had wrapped: CPU ${trace.knownFrom.map(({ cpu, sec }) => `${cpu} is known from ${sec.toFixed(6)} s`).join(', CPU ')}; what came before is lost, and nothing that may rest on it is certain.`,
        '',
        '',
      ),
    )
  if (account.missing.length > 0) {
    lines.push('', 'Not in this trace')
    for (const { events, cost } of account.missing) lines.push(...wrap(`${events}: ${cost}`, '  ', '    '))
  }
  const { healed, unpaired } = trace
  if (healed + unpaired > 0)
    lines.push(
      '',
      ...wrap(
        `${count(healed, 'hold or wait', 'holds or waits')} had no end in the trace and ${count(unpaired, 'release')} no beginning, as at the edges of a trace or where events were lost.`,
        '',
        '',
      ),
    )
  return lines
}

const columns = (first: string, second: string, rest: string): string =>
  printable(`${first.padStart(13)}  ${second.padEnd(12)}  ${rest}`).slice(0, COLUMNS)

function numbered(number: number, lines: readonly string[]): string[] {
  const mark = `${number}. `
  return lines.map((line, at) => (at === 0 ? mark : ' '.repeat(mark.length)) + line)
}

/** Names in it may hold anything; each line is one, and moves no cursor. */
export function wrap(text: string, first: string, rest: string): string[] {
  const lines: string[] = []
  let line = first
  let isStart = true
  for (const word of printable(text).split(' ')) {
    // Three columns are left for the number before a chain.
    if (!isStart && line.length + 1 + word.length > COLUMNS - 4) {
      lines.push(line)
      line = rest
      isStart = true
    }
    line += isStart ? word : ` ${word}`
    isStart = false
  }
  return [...lines, line]
}

export const who = (task: { readonly comm: string; readonly tid: number }): string =>
  `${task.comm || 'task'} (${task.tid})`

const cgroup = (task: { readonly group: string | null }): string =>
  task.group === null ? '' : `, memory cgroup ${task.group}`

const inAt = (link: Link): string => (link.at === null ? '' : ` in ${link.at}`)

export const percent = (value: number): string =>
  Math.abs(value) < 0.01 ? '< 0.01 %' : `${value.toFixed(2)} %`

export const millis = (ms: number): string => `${ms.toFixed(ms < 10 ? 3 : 1)} ms`

const seconds = (value: number): string => `${value.toFixed(3)} s`

const count = (value: number, one: string, many = `${one}s`): string => `${value} ${value === 1 ? one : many}`
