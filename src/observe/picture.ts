/**
 * A scene as a timeline to look at: a row for each task that matters, what it held, waited and slept for, and arrows from
 * who waited to who was in the way.
 *
 * Rows are the tasks of the chains, in the order of the chains, and then others that waited or held for OTHERS_PART of the
 * scene or more, ROWS_MAX in all.
 *
 * Invariants   MR2, MR3 (report/model.ts)
 */

import type { Inversion, Sleep } from '../analysis/index.ts'
import { isInFault, placeOf, WAITS_FOR_DEVICE, whereOf } from '../analysis/index.ts'
import type { Arrow, Row, Span, SpanKind, Stall, Timeline } from '../report/index.ts'
import { vmaLinks } from './plan.ts'
import type { Scene } from './scene.ts'
import { chainSentence } from './sentences.ts'

const ROWS_MAX = 24
const OTHERS_PART = 0.001

export function timelineOf(scene: Scene, id: string, title: string): Timeline {
  const painter = new Painter(scene)
  const { rows, spans, arrows, stalls } = painter.paint()
  const dropped =
    scene.leftOut === 0
      ? ''
      : ` ${scene.leftOut} stretches shorter than ${(scene.shortestNs / 1e6).toFixed(3)} ms are not drawn.`
  return {
    kind: 'timeline',
    id,
    title,
    lead: `Click a wait to follow its chain; arrows point from who waits to who is in the way.${dropped}`,
    rows,
    spans,
    arrows,
    stalls,
  }
}

class Painter {
  private readonly scene: Scene
  private readonly rowOf = new Map<number, number>()
  private readonly spans: Span[] = []

  constructor(scene: Scene) {
    this.scene = scene
    for (const tid of tasksThatMatter(scene)) this.rowOf.set(tid, this.rowOf.size)
  }

  paint(): { rows: Row[]; spans: Span[]; arrows: Arrow[]; stalls: Stall[] } {
    const { waits, holds, sleeps, runnables, inversions } = this.scene
    for (const hold of holds) {
      const mode = hold.write ? 'write' : hold.downgraded === -1 ? 'read' : 'write, then read'
      this.add(hold, 'holding', `holds mmap_lock (${mode})`, lockOf(hold.mm))
    }
    for (const wait of waits)
      this.add(wait, 'waiting', `waits for mmap_lock (${wait.write ? 'write' : 'read'})`, lockOf(wait.mm))
    for (const sleep of sleeps) this.sleep(sleep)
    for (const runnable of runnables) this.add(runnable, 'sleeping', 'waits for a CPU')
    return {
      rows: this.rows(),
      spans: this.spans,
      arrows: inversions.flatMap(inversion => this.arrows(inversion)),
      stalls: inversions.flatMap(inversion => this.stall(inversion)),
    }
  }

  private rows(): Row[] {
    const inChains = new Set(chainTasks(this.scene))
    const commOf = (tid: number) => this.scene.actors.get(tid)?.comm || 'task'
    const comms = [...this.rowOf.keys()].map(commOf)
    return [...this.rowOf.keys()].map(tid => {
      const comm = commOf(tid)
      const name = comms.indexOf(comm) === comms.lastIndexOf(comm) ? comm : `${comm} (${tid})`
      return { name, group: inChains.has(tid) ? 'in the chains' : 'others that waited or held' }
    })
  }

  private sleep(sleep: Sleep): void {
    if (sleep.waitsFor !== '') return
    const place = placeOf(sleep.frames)
    const where = whereOf(sleep.frames) ?? sleep.syscall
    const inWhere = where === '' ? '' : ` in ${where}`
    const links = this.linksAt(sleep)
    if (place?.kind === 'vma lock' || links.some(link => link.writer === sleep.tid)) {
      this.add(sleep, 'waiting', `waits for a VMA lock${inWhere}`, VMA_LOCK)
      return
    }
    if (
      links.some(link => link.reader === sleep.tid) &&
      (sleep.frames.length === 0 || isInFault(sleep.frames))
    )
      this.add(sleep, 'holding', 'holds a VMA lock (read), inferred', VMA_LOCK)
    const kind = place?.kind ?? (sleep.state === 'D' ? 'sleep' : 'idle')
    const device = sleep.devices[0]?.device
    const isIo = WAITS_FOR_DEVICE.has(kind) || kind === 'freeze' || kind === 'fuse' || kind === 'userfaultfd'
    const on = isIo && device !== undefined && WAITS_FOR_DEVICE.has(kind) ? ` on ${device}` : ''
    this.add(
      sleep,
      isIo || (place === null && sleep.state === 'D') ? 'io' : 'sleeping',
      `${kind}${on}${inWhere}`,
    )
  }

  private linksAt(sleep: Sleep): { readonly writer: number; readonly reader: number }[] {
    return this.scene.inversions
      .filter(
        each =>
          each.startSec * 1e9 < sleep.end && (each.endSec ?? Number.POSITIVE_INFINITY) * 1e9 > sleep.start,
      )
      .flatMap(vmaLinks)
  }

  private add(
    stretch: { readonly tid: number; readonly start: number; readonly end: number },
    kind: SpanKind,
    label: string,
    lock?: string,
  ): void {
    const row = this.rowOf.get(stretch.tid)
    if (row === undefined) return
    const start = this.clip(stretch.start)
    const end = this.clip(stretch.end)
    this.spans.push(
      lock === undefined ? { row, start, end, kind, label } : { row, start, end, kind, label, lock },
    )
  }

  private clip(time: number): number {
    return Math.max(this.scene.start, Math.min(this.scene.end, time))
  }

  private arrows({ chain, startSec, endSec }: Inversion): Arrow[] {
    const from = startSec * 1e9
    const to = (endSec ?? Number.POSITIVE_INFINITY) * 1e9
    return chain.slice(1).flatMap((holder, at) => {
      const waiter = chain[at]!
      const [fromRow, toRow] = [this.rowOf.get(waiter.tid), this.rowOf.get(holder.tid)]
      if (fromRow === undefined || toRow === undefined) return []
      const asked = this.spans
        .filter(span => span.row === fromRow && span.kind === 'waiting' && span.end > from && span.start < to)
        .sort((a, b) => b.end - b.start - (a.end - a.start))[0]
      const label = `${holder.holds} held, ${holder.certainty}`
      return [{ time: this.clip(asked?.start ?? from), fromRow, toRow, label }]
    })
  }

  private stall(inversion: Inversion): Stall[] {
    const row = this.rowOf.get(inversion.waiter.tid)
    if (row === undefined) return []
    const start = this.clip(inversion.startSec * 1e9)
    const end = inversion.endSec === null ? this.scene.end : this.clip(inversion.endSec * 1e9)
    return [{ row, start, end, sentence: chainSentence(inversion) }]
  }
}

const chainTasks = (scene: Scene): number[] =>
  scene.inversions.flatMap(inversion => inversion.chain.map(link => link.tid))

function tasksThatMatter(scene: Scene): number[] {
  const found = new Set(chainTasks(scene))
  const least = (scene.end - scene.start) * OTHERS_PART
  const time = new Map<number, number>()
  for (const { tid, start, end } of [...scene.waits, ...scene.holds])
    time.set(tid, (time.get(tid) ?? 0) + end - start)
  for (const [tid, total] of [...time].sort((a, b) => b[1] - a[1])) {
    if (found.size >= ROWS_MAX || total < least) break
    found.add(tid)
  }
  return [...found].slice(0, ROWS_MAX)
}

const VMA_LOCK = 'VMA locks'
const lockOf = (mm: string): string => `mmap_lock of ${mm}`
