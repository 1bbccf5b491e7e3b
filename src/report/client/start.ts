/** Where the page's script begins: the button for light and dark, and every timeline with the scale that it shares. */
import type { Box, Browser } from './browser.ts'
import type { Packed } from './packed.ts'
import { makeView, setView, type View } from './view.ts'
import { startTimeline } from './widget.ts'

export function startPage(browser: Browser): void {
  const { document } = browser
  const all = (query: string): Box[] => Array.from(document.querySelectorAll(query))
  const scales = new Map<string, View>()
  const views = new Set<View>()
  const repaints = all('.timeline').map(root => {
    const data = root.querySelector('.timeline-data')!
    const packed = JSON.parse(data.textContent!) as Packed
    data.remove()
    const view = (packed.sharedScale !== null && scales.get(packed.sharedScale)) || makeView()
    if (packed.sharedScale !== null) scales.set(packed.sharedScale, view)
    views.add(view)
    return startTimeline(browser, root, packed, view)
  })
  for (const view of views) setView(view, 0, view.length)

  const repaintAll = () => {
    for (const repaint of repaints) repaint()
  }
  const system = browser.matchMedia('(prefers-color-scheme: dark)')
  system.addEventListener('change', repaintAll)
  for (const button of all('.theme')) {
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
      repaintAll()
    })
  }
}
