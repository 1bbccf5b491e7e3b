/**
 * One timeline on the page: keeps what is chosen and filtered, and paints when something has changed.
 *
 * Hands and keys change the View, filters change the Layout, a click changes the chain; each asks for one repaint in the
 * browser's next frame.
 */
import type { Box, Browser } from './browser.ts'
import { followChain, type Link, stallOf, tellChain } from './chain.ts'
import { listenToHands } from './gestures.ts'
import { type Inks, mixInks } from './inks.ts'
import { isShown, type Layout, layOut } from './layout.ts'
import type { Packed } from './packed.ts'
import { paintScene } from './paint.ts'
import { show } from './quantity.ts'
import { nextWait, type Pick, spanWithin, unpackTrack } from './track.ts'
import { setView, type View, zoomView } from './view.ts'

/** Starts the timeline whose markup is `root`; returns what to call when the page's colours change. */
export function startTimeline(browser: Browser, root: Box, packed: Packed, view: View): () => void {
  const track = unpackTrack(packed)
  const find = (query: string) => root.querySelector(query)!
  const [canvas, stage, scroll, tall, tip, told] = [
    'canvas',
    '.stage',
    '.scroll',
    '.tall',
    '.tip',
    '.told',
  ].map(find) as [Box, Box, Box, Box, Box, Box]
  const [taskFilter, lockFilter] = [find('.filter-task'), find('.filter-lock')]
  const stallButtons = Array.from(root.querySelectorAll('.stall'))
  const pen = canvas.getContext('2d')
  let inks: Inks = mixInks(browser, root, pen)
  let pale = new Uint8Array(track.styles.length)
  let chain: readonly Link[] = []
  let [width, height] = [0, 0]
  let layout: Layout = layOut(track, 1000, { task: '', lock: '' })
  let isAsked = false

  for (const box of [stage, find('.tools'), find('.hint')]) box.hidden = false
  view.length = Math.max(view.length, track.length)

  const filter = () => ({ task: taskFilter.value, lock: lockFilter.value })
  const scale = () => (view.end - view.start) / Math.max(1, width - layout.left)
  const timeAt = (x: number) => view.start + (x - layout.left) * scale()

  function ask(): void {
    if (isAsked) return
    isAsked = true
    browser.requestAnimationFrame(paint)
  }

  function paint(): void {
    isAsked = false
    const scrolled = scroll.scrollTop
    const ratio = Math.min(3, browser.devicePixelRatio)
    pen.setTransform(ratio, 0, 0, ratio, 0, 0)
    paintScene(pen, { track, layout, view, inks, width, height, scrolled, pale, chain })
    root.dataset.start = String(Math.round(view.start))
    root.dataset.end = String(Math.round(view.end))
  }

  function measure(): void {
    width = scroll.offsetWidth
    layout = layOut(track, width, filter())
    tall.style.height = `${layout.height}px`
    height = Math.min(layout.height, scroll.offsetHeight)
    const ratio = Math.min(3, browser.devicePixelRatio)
    canvas.width = Math.round(width * ratio)
    canvas.height = Math.round(height * ratio)
    canvas.style.height = `${height}px`
    root.dataset.rows = String(layout.bands.filter(({ kind }) => kind === 'row').length)
    ask()
  }

  function pickAt({ x, y }: { readonly x: number; readonly y: number }): Pick | undefined {
    if (x < layout.left || y < layout.top) return undefined
    const down = y + scroll.scrollTop
    for (const band of layout.bands) {
      if (band.kind !== 'row' || down < band.top || down >= band.top + band.height) continue
      const lane = band.lanes.findIndex(({ top, height: tall }) => down >= top - 1 && down < top + tall + 1)
      if (lane === -1) return undefined
      const [from, to] = [timeAt(x - 2), timeAt(x + 2)]
      const at = spanWithin(track.rows[band.row]!.lanes[lane]!, from, to)
      return at === -1 ? undefined : { row: band.row, lane, at }
    }
    return undefined
  }

  function look(at: { readonly x: number; readonly y: number } | undefined): void {
    const pick = at && pickAt(at)
    tip.hidden = pick === undefined
    canvas.classList.toggle('points', pick !== undefined)
    if (at === undefined || pick === undefined) return
    const { starts, ends, styles } = track.rows[pick.row]!.lanes[pick.lane]!
    const { kind, label, lock } = track.styles[styles[pick.at]!]!
    const more = browser.document.createElement('small')
    const words = {
      waiting: 'waiting',
      holding: 'holding',
      io: 'waiting for I/O',
      running: 'running',
      sleeping: 'sleeping',
    }
    const about = lock === null ? '' : ` · ${lock}`
    more.textContent = `${track.rows[pick.row]!.name} · ${words[kind]}${about} · from ${show(starts[pick.at]!, 'ns')}`
    tip.replaceChildren(`${label}, ${show(ends[pick.at]! - starts[pick.at]!, 'ns')}`, more)
    const room = stage.offsetWidth - tip.offsetWidth - 8
    tip.style.left = `${Math.max(8, Math.min(at.x + 14, room))}px`
    const below = at.y + 20
    tip.style.top = `${below + tip.offsetHeight > height ? at.y - tip.offsetHeight - 12 : below}px`
  }

  function choose(pick: Pick | undefined): void {
    chain = pick === undefined ? [] : followChain(track, pick)
    const [first] = chain
    const stall = first && stallOf(track, first)
    stallButtons.forEach((button, at) => {
      button.setAttribute('aria-pressed', String(stall !== undefined && track.stalls[at] === stall))
    })
    told.replaceChildren()
    if (first !== undefined) {
      const steps = tellChain(track, chain)
      const list = browser.document.createElement('ol')
      for (const { who, what } of steps) {
        const [item, name] = [browser.document.createElement('li'), browser.document.createElement('b')]
        name.textContent = who
        item.append(name, ` ${what}`)
        list.append(item)
      }
      told.append(list)
    }
    root.dataset.chain = chain.map(({ row }) => track.rows[row]!.name).join(' < ')
    ask()
  }

  function reveal({ row, lane, at }: Pick): void {
    const { starts, ends } = track.rows[row]!.lanes[lane]!
    const [start, end] = [starts[at]!, ends[at]!]
    const isSeen = start >= view.start && end <= view.end && end - start > (view.end - view.start) / 20
    if (!isSeen) setView(view, start - (end - start) * 0.4, end + (end - start) * 0.4)
    const middle = layout.middles[row]!
    if (middle < scroll.scrollTop + layout.top || middle > scroll.scrollTop + height)
      scroll.scrollTop = middle - height / 2
    choose({ row, lane, at })
  }

  function revealStall(number: number): void {
    const { row, start, end } = track.stalls[number]!
    if (!isShown(track, row, filter())) {
      taskFilter.value = ''
      lockFilter.value = ''
      refilter()
    }
    const waits = track.rows[row]!.lanes.map((lane, place) => ({
      row,
      lane: place,
      at: lane.holds ? -1 : spanWithin(lane, start, end),
    }))
    const pick = waits.find(({ at }) => at !== -1)
    setView(view, start - (end - start) * 0.15, end + (end - start) * 0.15)
    if (pick !== undefined) reveal(pick)
    stage.scrollIntoView({ block: 'nearest' })
  }

  function refilter(): void {
    const { lock } = filter()
    pale = Uint8Array.from(track.styles, style => (lock !== '' && style.lock !== lock ? 1 : 0))
    measure()
  }

  function press(key: string): boolean {
    const step = (view.end - view.start) / 8
    const middle = (view.start + view.end) / 2
    if (key === 'ArrowLeft' || key === 'a') setView(view, view.start - step, view.end - step)
    else if (key === 'ArrowRight' || key === 'd') setView(view, view.start + step, view.end + step)
    else if (key === 'ArrowUp') scroll.scrollTop -= 40
    else if (key === 'ArrowDown') scroll.scrollTop += 40
    else if (key === '+' || key === '=' || key === 'w') zoomView(view, 1.6, middle)
    else if (key === '-' || key === 's') zoomView(view, 1 / 1.6, middle)
    else if (key === 'Home') setView(view, 0, view.length)
    else if (key === 'Escape') choose(undefined)
    else if (key === 'n') {
      const next = nextWait(track, chain[0]?.start ?? Number.NEGATIVE_INFINITY, row =>
        isShown(track, row, filter()),
      )
      if (next !== undefined) reveal(next)
    } else return false
    return true
  }

  listenToHands(browser, canvas, {
    move(dx, dy) {
      setView(view, view.start - dx * scale(), view.end - dx * scale())
      scroll.scrollTop -= dy
    },
    zoom: (factor, x) => zoomView(view, factor, timeAt(Math.max(x, layout.left))),
    look,
    choose: at => choose(pickAt(at)),
  })
  canvas.addEventListener('keydown', event => {
    if (!event.ctrlKey && !event.metaKey && !event.altKey && press(event.key)) event.preventDefault()
  })
  scroll.addEventListener('scroll', ask)
  taskFilter.addEventListener('input', refilter)
  lockFilter.addEventListener('change', refilter)
  for (const [query, key] of [
    ['.zoom-in', '+'],
    ['.zoom-out', '-'],
    ['.zoom-all', 'Home'],
  ] as const)
    find(query).addEventListener('click', () => press(key))
  stallButtons.forEach((button, at) => {
    button.addEventListener('click', () => revealStall(at))
  })
  view.watchers.push(ask)
  new browser.ResizeObserver(measure).observe(scroll)
  measure()
  return () => {
    inks = mixInks(browser, root, pen)
    ask()
  }
}
