/** Where the page's script begins: its two views, what was built into it, and the fragment that says where to begin. */
import { type Browser, startTheme } from '../../report/index.ts'
import { the } from './dom.ts'
import { note, placeOf, type View } from './fragment.ts'
import { Lab } from './lab.ts'
import type { Catalogue } from './messages.ts'
import { leadLinksWithin, repaintAll } from './report.ts'
import { type Example, type Served, Traces } from './traces.ts'

const VIEWS: readonly View[] = ['traces', 'lab']

const builtIn = <Data>(id: string): Data => JSON.parse(the(id).textContent!) as Data

function turnTo(view: View): void {
  for (const each of VIEWS) {
    the(each).hidden = each !== view
    const tab = the(`tab-${each}`)
    tab.setAttribute('aria-selected', String(each === view))
    tab.tabIndex = each === view ? 0 : -1
  }
  repaintAll()
}

function listenToTabs(): void {
  VIEWS.forEach((view, at) => {
    const tab = the(`tab-${view}`)
    tab.addEventListener('click', () => {
      turnTo(view)
      note(view, {})
    })
    tab.addEventListener('keydown', ({ key }) => {
      if (key !== 'ArrowLeft' && key !== 'ArrowRight') return
      const next = VIEWS[(at + 1) % VIEWS.length]!
      turnTo(next)
      note(next, {})
      the(`tab-${next}`).focus()
    })
  })
}

const program = new Blob([the('worker').textContent!], { type: 'text/javascript' })
const worker = URL.createObjectURL(program)
const catalogue = builtIn<Catalogue>('catalogue')
const traces = new Traces(worker, catalogue.disciplines, builtIn<Example[]>('examples'))
const lab = new Lab(worker, catalogue)

startTheme(window as unknown as Browser, repaintAll)
leadLinksWithin()
listenToTabs()
turnTo(placeOf(location.hash).view)
window.addEventListener('hashchange', () => {
  const { view } = placeOf(location.hash)
  turnTo(view)
  if (view === 'lab') lab.begin()
  else traces.begin([])
})
lab.begin()
traces.begin(builtIn<Served[]>('served'))
document.documentElement.dataset['ready'] = 'yes'
