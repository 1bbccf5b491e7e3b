/** A report within the page: its content, its timelines alive, and its links that lead within it without touching the fragment. */
import { type Browser, startTimelines } from '../../report/index.ts'

/** What paints the timelines that are shown anew. */
const repaints = new Map<HTMLElement, () => void>()

export function showReport(box: HTMLElement, content: string): void {
  // The content was made by renderContent, which escapes every name.
  box.innerHTML = content
  repaints.set(box, startTimelines(window as unknown as Browser, box as never))
}

export function repaintAll(): void {
  for (const repaint of repaints.values()) repaint()
}

/** The fragment is the page's state, so a link to a section only scrolls. */
export function leadLinksWithin(): void {
  document.addEventListener('click', event => {
    const link = (event.target as Element).closest('a[href^="#"]')
    if (link === null) return
    event.preventDefault()
    const section = document.getElementById(link.getAttribute('href')!.slice(1))
    if (section === null) return
    section.scrollIntoView()
    section.tabIndex = -1
    section.focus({ preventScroll: true })
  })
}
