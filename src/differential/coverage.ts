/** What a campaign has played: how often each kind of operation was made, failed as it should, or was left out. */
import { ADVICE, type Operation, PAGE } from './operations.ts'
import type { Outcome } from './side.ts'

const RIGHTS = { 0: 'none', 1: 'read', 3: 'write' } as const
const WIDTHS = [1, 2, 4, 8]
const MSYNC_FLAGS = 8
/** MS_SYNC and MS_ASYNC together are EINVAL. */
const ALWAYS_FAIL = ['msync 5', 'msync 7']

/** Every kind there is. An operation is of several: what it is, and each way in which it is that. */
export const KINDS: readonly string[] = [
  ...['anonymous', 'file'].flatMap(what => ['shared', 'private'].map(share => `mmap ${what} ${share}`)),
  ...['fixed', 'fixed_noreplace', 'populate', 'opened for reading'].map(how => `mmap ${how}`),
  ...Object.values(RIGHTS).map(rights => `mmap ${rights}`),
  'munmap',
  ...Object.values(RIGHTS).map(rights => `mprotect ${rights}`),
  ...['grow', 'shrink', 'as long'].flatMap(size =>
    ['stays', 'may move', 'fixed'].map(where => `mremap ${size}, ${where}`),
  ),
  'mremap dontunmap',
  ...ADVICE.map(advice => `madvise ${advice}`),
  ...Array.from({ length: MSYNC_FLAGS }, (_, flags) => `msync ${flags}`),
  ...['mlock', 'munlock', 'fork', 'exit', 'look'],
  ...['load', 'store'].flatMap(access => [
    ...WIDTHS.flatMap(width => [
      `${access} of ${width}`,
      ...(width > 1 ? [`${access} of ${width} across an edge`] : []),
    ]),
    `${access} of many pages`,
  ]),
  ...['read', 'write', 'truncate to an edge', 'truncate', 'punch of pages', 'punch', 'fsync'],
]

export function kindsOf(operation: Operation): readonly string[] {
  switch (operation.name) {
    case 'map':
      return [
        `mmap ${operation.what === 'anonymous' ? 'anonymous' : 'file'} ${operation.share}`,
        `mmap ${operation.where === 'fixed' ? 'fixed' : 'fixed_noreplace'}`,
        `mmap ${rightsOf(operation.prot)}`,
        ...(operation.touched === 'populated' ? ['mmap populate'] : []),
        ...(operation.what !== 'anonymous' && operation.opened === 'ro' ? ['mmap opened for reading'] : []),
      ]
    case 'unmap':
      return ['munmap']
    case 'protect':
      return [`mprotect ${rightsOf(operation.prot)}`]
    case 'remap': {
      const { pages, newPages, where, old } = operation
      const size = newPages > pages ? 'grow' : newPages < pages ? 'shrink' : 'as long'
      const place = typeof where === 'object' ? 'fixed' : where
      return [`mremap ${size}, ${place}`, ...(old === 'stays mapped' ? ['mremap dontunmap'] : [])]
    }
    case 'advise':
      return [`madvise ${operation.advice}`]
    case 'msync':
      return [`msync ${operation.flags}`]
    case 'lock':
    case 'unlock':
      return [`m${operation.name}`]
    case 'load':
    case 'store':
      return [accessOf(operation)]
    case 'truncate':
      return [operation.size % PAGE === 0 ? 'truncate to an edge' : 'truncate']
    case 'punch':
      return [
        (operation.at + operation.length) % PAGE === 0 && operation.at % PAGE === 0
          ? 'punch of pages'
          : 'punch',
      ]
    case 'sync':
      return ['fsync']
    default:
      return [operation.name]
  }
}

function rightsOf(prot: number): string {
  return RIGHTS[prot as keyof typeof RIGHTS]
}

function accessOf({ name, at, length }: Extract<Operation, { readonly name: 'load' | 'store' }>): string {
  if (!WIDTHS.includes(length)) return `${name} of many pages`
  const isAcross = Math.floor(at / PAGE) !== Math.floor((at + length - 1) / PAGE)
  return `${name} of ${length}${isAcross ? ' across an edge' : ''}`
}

interface Count {
  played: number
  /** Of those: both sides said the same error. */
  failed: number
  /** A row of the table forbids it. */
  leftOut: number
}

export type Counts = Readonly<Record<string, Count>>

export class Coverage {
  readonly counts: Counts = Object.fromEntries(
    KINDS.map(kind => [kind, { played: 0, failed: 0, leftOut: 0 }]),
  )

  played(operation: Operation, { said }: Outcome): void {
    for (const kind of kindsOf(operation)) {
      const count = this.counts[kind]!
      count.played++
      if (/^E[A-Z]/.test(said)) count.failed++
    }
  }

  leftOut(operation: Operation): void {
    for (const kind of kindsOf(operation)) this.counts[kind]!.leftOut++
  }
}

/** Kinds that could go well, and of which none has. */
export function neverWell(counts: Counts): readonly string[] {
  return KINDS.filter(kind => !ALWAYS_FAIL.includes(kind) && counts[kind]!.played === counts[kind]!.failed)
}

/** A line for each kind, and those of which none went well. */
export function coverageText(counts: Counts): string {
  const rows = KINDS.map(kind => {
    const { played, failed, leftOut } = counts[kind]!
    const notes = [
      ...(failed > 0 ? [`${failed} failed`] : []),
      ...(leftOut > 0 ? [`${leftOut} left out`] : []),
    ]
    return `  ${kind.padEnd(28)} ${String(played).padStart(8)}${notes.length === 0 ? '' : `  ${notes.join(', ')}`}`
  })
  const missing = neverWell(counts)
  return [
    ...rows,
    ...(missing.length === 0 ? [] : [`  none of these went well: ${missing.join('; ')}`]),
  ].join('\n')
}
