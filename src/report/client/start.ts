/** Where the page's script begins: the button for light and dark, and every timeline with the scale that it shares. */
import type { Box, Browser } from './browser.ts'
import type { Packed } from './packed.ts'
import { makeView, setView, type View } from './view.ts'
import { startTimeline } from './widget.ts'

export function startPage(browser: Browser): void {
  startTheme(browser, startTimelines(browser, browser.document))
}

/** Gives life to the timelines below a root, and returns what paints them anew. */
export function startTimelines(browser: Browser, root: Pick<Box, 'querySelectorAll'>): () => void {
  const scales = new Map<string, View>()
  const views = new Set<View>()
  const repaints = Array.from(root.querySelectorAll('.timeline')).map(box => {
    const data = box.querySelector('.timeline-data')!
    const packed = JSON.parse(data.textContent!) as Packed
    data.remove()
    const view = (packed.sharedScale !== null && scales.get(packed.sharedScale)) || makeView()
    if (packed.sharedScale !== null) scales.set(packed.sharedScale, view)
    views.add(view)
    return startTimeline(browser, box, packed, view)
  })
  for (const view of views) setView(view, 0, view.length)
  return () => {
    for (const repaint of repaints) repaint()
  }
}

/** The buttons that turn light to dark; `repaint` is for what isn't painted by styles. */
export function startTheme(browser: Browser, repaint: () => void): void {
  const { document } = browser
  const system = browser.matchMedia('(prefers-color-scheme: dark)')
  system.addEventListener('change', repaint)
  for (const button of Array.from(document.querySelectorAll('.theme'))) {
    let isDark = system.matches
    const name = () => {
      button.textContent = isDark ? 'Light' : 'Dark'
    }
    button.hidden = false
    name()
    button.addEventListener('click', () => {
      isDark = !isDark
      document.documentElement.style.colorScheme = isDark ? 'dark' : 'light'
      name()
      repaint()
    })
  }
}
