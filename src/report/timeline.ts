/**
 * A timeline's place in the page: what stands there without a script, and the data that the script draws from.
 *
 * Without a script the reader has the sentences of the stalls and each task's sums. With one, the drawing stands first,
 * the sentences become buttons that show their stall, and the sums fold away.
 */
import { type Html, html, json, prose } from './html.ts'
import type { SpanKind, Timeline } from './model.ts'
import { packTimeline } from './pack.ts'
import { renderTable } from './table.ts'

const KINDS: readonly { readonly kind: SpanKind; readonly word: string }[] = [
  { kind: 'waiting', word: 'waiting for a lock' },
  { kind: 'holding', word: 'holding a lock' },
  { kind: 'io', word: 'waiting for I/O' },
  { kind: 'running', word: 'running' },
  { kind: 'sleeping', word: 'sleeping' },
]

export function renderTimeline(timeline: Timeline): Html {
  const present = new Set(timeline.spans.map(({ kind }) => kind))
  const kinds = KINDS.filter(({ kind }) => present.has(kind))
  const key = kinds.map(({ kind, word }) => html`<li><i class="swatch ${kind}"></i>${word}</li>`)
  const locks = [...new Set(timeline.spans.flatMap(({ lock }) => (lock === undefined ? [] : [lock])))].sort()
  const options = locks.map(lock => html`<option value="${lock}">${lock}</option>`)
  // The longest first, whichever came first; the script knows them by their number.
  const longest = [...(timeline.stalls ?? []).entries()].sort(
    ([, a], [, b]) => b.end - b.start - (a.end - a.start),
  )
  const stalls = longest.map(
    ([at, { sentence }]) =>
      html`<li><button type="button" class="stall" data-stall="${at}">${prose(sentence)}</button></li>`,
  )
  return html`<div class="timeline" data-timeline="${timeline.id}">
<div class="tools" hidden>
<label>Tasks <input type="search" class="filter-task" placeholder="all" autocomplete="off" spellcheck="false"></label>
<label>Lock <select class="filter-lock"><option value="">all</option>${options}</select></label>
<span class="zoom"><button type="button" class="zoom-out" aria-label="Zoom out">−</button><button type="button" class="zoom-in" aria-label="Zoom in">+</button><button type="button" class="zoom-all">Whole</button></span>
</div>
<ul class="key" aria-label="What the colours mean">${key}</ul>
<div class="stage" hidden><div class="scroll"><div class="tall"><canvas tabindex="0" role="application" aria-label="${timeline.title}. Arrow keys move, plus and minus zoom, n goes to the next wait, Home shows the whole."></canvas></div></div><div class="tip" role="tooltip" hidden></div></div>
<p class="hint" hidden>Drag to move; Ctrl and wheel, pinch or + and − to zoom; click a wait to follow its chain; n for the next wait.</p>
<div class="told" aria-live="polite"></div>
${stalls.length === 0 ? '' : html`<ol class="chains">${stalls}</ol>`}
<details><summary>Each task in numbers</summary>${renderSums(timeline, kinds)}</details>
<script type="application/json" class="timeline-data">${json(packTimeline(timeline))}</script>
</div>`
}

/** How long each task spent in each kind of span, and its longest wait for a lock. */
function renderSums(timeline: Timeline, kinds: typeof KINDS): Html {
  const sums = timeline.rows.map(() => new Map<SpanKind, number>())
  const longest = timeline.rows.map(() => 0)
  for (const { row, start, end, kind } of timeline.spans) {
    sums[row]!.set(kind, (sums[row]!.get(kind) ?? 0) + end - start)
    if (kind === 'waiting') longest[row] = Math.max(longest[row]!, end - start)
  }
  return renderTable({
    title: `${timeline.title}: each task in numbers`,
    columns: [
      { name: 'task', align: 'left' },
      { name: 'group', align: 'left' },
      ...kinds.map(({ word }) => ({ name: word, unit: 'ns', align: 'right' as const })),
      { name: 'longest wait', unit: 'ns', align: 'right' },
    ],
    rows: timeline.rows.map(({ name, group }, row) => [
      name,
      group,
      ...kinds.map(({ kind }) => sums[row]!.get(kind) ?? 0),
      longest[row]!,
    ]),
  })
}
