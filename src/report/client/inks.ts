/** The colours and patterns of the canvas, taken from the page's style, so that both change together. */
import type { Box, Browser, Pattern, Pen } from './browser.ts'

export interface Inks {
  readonly colours: Record<string, string>
  readonly patterns: Record<string, Pattern>
  readonly font: string
}

/** The colours of the page as it looks now, and the patterns that tell kinds apart without colour. */
export function mixInks(browser: Browser, root: Box, pen: Pen): Inks {
  const probe = browser.document.createElement('i')
  root.append(probe)
  const names = [
    'ink',
    'soft',
    'line',
    'card',
    'accent',
    'faint',
    'running',
    'holding',
    'waiting',
    'io',
    'sleeping',
    'on-span',
  ]
  const colours: Record<string, string> = {}
  for (const name of names) {
    probe.style.color = `var(--${name})`
    colours[name] = browser.getComputedStyle(probe).color
  }
  const font = browser.getComputedStyle(probe).fontFamily
  probe.remove()
  const pattern = (draw: (pen: Pen) => void) => {
    const tile = browser.document.createElement('canvas')
    tile.width = 8
    tile.height = 8
    const tilePen = tile.getContext('2d')
    tilePen.strokeStyle = 'rgba(0, 0, 0, 0.26)'
    tilePen.fillStyle = 'rgba(0, 0, 0, 0.26)'
    tilePen.lineWidth = 2
    draw(tilePen)
    return pen.createPattern(tile, 'repeat')
  }
  const waiting = pattern(tile => {
    for (const x of [-8, 0, 8]) {
      tile.beginPath()
      tile.moveTo(x - 2, 10)
      tile.lineTo(x + 10, -2)
      tile.stroke()
    }
  })
  const io = pattern(tile => {
    for (const [x, y] of [
      [2, 2],
      [6, 6],
    ] as const) {
      tile.beginPath()
      tile.arc(x, y, 1.1, 0, 7)
      tile.fill()
    }
  })
  return { colours, patterns: { waiting, io }, font }
}
