/**
 * What hands do on a canvas, told as four wishes: move, zoom, look, choose.
 *
 * The wheel belongs to the page until the canvas has the focus or Ctrl is held; then it zooms. Fingers: one moves through
 * time and leaves up and down to the page, two zoom.
 */
import type { Box, Browser, Pointer } from './browser.ts'

export interface Wishes {
  /** By so many pixels. */
  move(dx: number, dy: number): void
  /** By a factor, around a place. */
  zoom(factor: number, x: number): void
  /** The pointer is here; undefined: it has left. */
  look(at: { readonly x: number; readonly y: number } | undefined): void
  choose(at: { readonly x: number; readonly y: number }): void
}

export function listenToHands(browser: Browser, canvas: Box, wishes: Wishes): void {
  const slack = 4
  const held = new Map<number, { x: number; y: number }>()
  let travelled = 0
  const place = (event: Pointer) => {
    const box = canvas.getBoundingClientRect()
    return { x: event.clientX - box.left, y: event.clientY - box.top }
  }

  canvas.addEventListener('pointerdown', event => {
    if (event.button !== 0) return
    canvas.setPointerCapture(event.pointerId)
    if (held.size === 0) travelled = 0
    held.set(event.pointerId, place(event))
    wishes.look(undefined)
  })
  canvas.addEventListener('pointermove', event => {
    const now = place(event)
    const before = held.get(event.pointerId)
    if (before === undefined) {
      wishes.look(now)
      return
    }
    const [other] = [...held].filter(([pointer]) => pointer !== event.pointerId).map(([, at]) => at)
    travelled += Math.abs(now.x - before.x) + Math.abs(now.y - before.y)
    held.set(event.pointerId, now)
    if (travelled < slack) return
    canvas.classList.toggle('drags', true)
    if (other !== undefined) {
      const [apart, was] = [Math.abs(now.x - other.x), Math.abs(before.x - other.x)]
      wishes.zoom(Math.max(apart, 20) / Math.max(was, 20), (now.x + other.x) / 2)
    } else wishes.move(now.x - before.x, event.pointerType === 'touch' ? 0 : now.y - before.y)
  })
  const release = (event: Pointer) => {
    held.delete(event.pointerId)
    canvas.classList.toggle('drags', false)
  }
  canvas.addEventListener('pointerup', event => {
    const wasHeld = held.has(event.pointerId)
    release(event)
    if (wasHeld && travelled < slack) wishes.choose(place(event))
  })
  canvas.addEventListener('pointercancel', release)
  canvas.addEventListener('pointerleave', () => wishes.look(undefined))
  canvas.addEventListener('dblclick', event => wishes.zoom(4, place(event).x))
  canvas.addEventListener(
    'wheel',
    event => {
      const lines = event.deltaMode === 1 ? 20 : 1
      const isSideways = event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)
      const zooms = event.ctrlKey || event.metaKey || browser.document.activeElement === canvas
      if (isSideways) wishes.move(-lines * (event.deltaX || event.deltaY), 0)
      else if (zooms)
        wishes.zoom(Math.exp((-event.deltaY * lines) / (event.ctrlKey ? 160 : 400)), place(event).x)
      else return
      event.preventDefault()
      wishes.look(undefined)
    },
    { passive: false },
  )
}
