/**
 * The view of the lab: a scenario of the catalogue or one's own, every interleaving of it under the disciplines, the
 * counterexample step by step; and a workload on a simulated clock under the disciplines side by side.
 */
import { Colleague } from './colleague.ts'
import { button, download, make, options, the } from './dom.ts'
import { note, placeOf } from './fragment.ts'
import { Going } from './going.ts'
import type { Catalogue, ExploredRow, Found, Replayed } from './messages.ts'
import { showReport } from './report.ts'

export class Lab {
  private readonly colleague: Colleague
  private readonly going: Going
  private readonly catalogue: Catalogue
  private readonly scenario = the<HTMLSelectElement>('lab-scenario')
  private readonly yaml = the<HTMLTextAreaElement>('lab-yaml')
  private readonly discipline = the<HTMLSelectElement>('lab-discipline')
  private readonly workload = the<HTMLSelectElement>('lab-workload')
  private page = ''
  private replayed: Replayed | undefined
  private step = 0

  constructor(worker: string, catalogue: Catalogue) {
    this.colleague = new Colleague(worker)
    this.going = new Going('lab', () => this.colleague.cancel())
    this.catalogue = catalogue
    options(
      this.scenario,
      catalogue.scenarios.map(({ name }) => name),
    )
    options(this.discipline, catalogue.disciplines)
    options(
      this.workload,
      catalogue.workloads.map(({ name }) => name),
    )
    the('lab-compared').append(
      ...catalogue.disciplines.map(name =>
        make('label', {}, make('input', { type: 'checkbox', value: name, checked: true }), name),
      ),
    )
    this.listen()
  }

  /** What the fragment asks for. */
  async begin(): Promise<void> {
    const { view, values } = placeOf(location.hash)
    const of = (key: string) => (view === 'lab' ? (values.get(key) ?? '') : '')
    if (of('scenario') !== '') this.scenario.value = of('scenario')
    this.choose()
    this.discipline.value = of('discipline')
    if (of('workload') !== '') this.workload.value = of('workload')
    this.about()
    if (of('schedule') !== '') await this.replay(of('discipline'), of('schedule'))
  }

  private listen(): void {
    this.scenario.addEventListener('change', () => {
      note('lab', { scenario: this.scenario.value, schedule: '' })
      this.choose()
    })
    this.discipline.addEventListener('change', () => note('lab', { discipline: this.discipline.value }))
    this.workload.addEventListener('change', () => {
      note('lab', { workload: this.workload.value })
      this.about()
    })
    the('lab-explore').addEventListener('click', () => this.explore())
    the('lab-compare').addEventListener('click', () => this.compare())
    the('lab-report').addEventListener('click', () => download('report.html', 'text/html', this.page))
    the('lab-previous').addEventListener('click', () => this.go(this.step - 1))
    the('lab-next').addEventListener('click', () => this.go(this.step + 1))
    the('lab-steps').addEventListener('keydown', event => {
      const by = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key]
      if (by === undefined) return
      event.preventDefault()
      this.go(this.step + by)
    })
  }

  private choose(): void {
    const found = this.catalogue.scenarios.find(({ name }) => name === this.scenario.value)
    if (found !== undefined) this.yaml.value = found.yaml
    the('lab-explored').replaceChildren()
    the('lab-replay').hidden = true
  }

  private about(): void {
    const found = this.catalogue.workloads.find(({ name }) => name === this.workload.value)
    the('lab-about').textContent = found?.about ?? ''
  }

  private async explore(): Promise<void> {
    const disciplines = this.discipline.value === '' ? this.catalogue.disciplines : [this.discipline.value]
    the('lab-explored').replaceChildren()
    the('lab-replay').hidden = true
    const asked = this.colleague.ask(
      { kind: 'explore', yaml: this.yaml.value, disciplines },
      this.going.progress,
    )
    const rows = await this.going.during('Exploring', asked)
    if (rows !== undefined) this.show(rows)
  }

  private show(rows: readonly ExploredRow[]): void {
    const head = ['discipline', 'states', 'what was found', ''].map(name =>
      make('th', { scope: 'col', textContent: name }),
    )
    const body = rows.flatMap(row => {
      const states = row.states.toLocaleString('en')
      if (row.violations.length === 0)
        return [this.line(row.discipline, states, 'nobody waits for I/O that isn’t theirs', undefined)]
      return row.violations.map((found, at) =>
        this.line(
          at === 0 ? row.discipline : '',
          at === 0 ? states : '',
          `${found.isExpected ? '' : 'BROKEN: '}${found.property}: ${found.says}`,
          this.stepping(row.discipline, found),
        ),
      )
    })
    const table = make('table', {}, make('thead', {}, make('tr', {}, ...head)), make('tbody', {}, ...body))
    const wide = make('div', { className: 'wide', tabIndex: 0, ariaLabel: 'What was found' }, table)
    wide.setAttribute('role', 'region')
    the('lab-explored').replaceChildren(wide)
  }

  private line(
    discipline: string,
    states: string,
    says: string,
    last: HTMLButtonElement | undefined,
  ): HTMLTableRowElement {
    const cells = [
      make('th', { scope: 'row', textContent: discipline }),
      make('td', { className: 'right', textContent: states }),
      make('td', { className: 'says', textContent: says }),
      make('td', {}, ...(last === undefined ? [] : [last])),
    ]
    return make('tr', {}, ...cells)
  }

  private stepping(discipline: string, { schedule }: Found): HTMLButtonElement {
    const made = button('Step through', () => this.replay(discipline, schedule))
    made.ariaLabel = `Step through what was found under ${discipline}: ${schedule}`
    return made
  }

  private async replay(discipline: string, schedule: string): Promise<void> {
    const asked = this.colleague.ask(
      { kind: 'replay', yaml: this.yaml.value, discipline, schedule },
      this.going.progress,
    )
    const timeline = await this.going.during('Running it again', asked)
    if (timeline === undefined) return
    note('lab', { scenario: this.scenario.value, discipline: this.discipline.value || discipline, schedule })
    this.replayed = timeline
    the('lab-replay').hidden = false
    the('lab-replay-title').textContent = `${timeline.scenario} under ${timeline.discipline}, step by step`
    the('lab-steps').replaceChildren(
      ...timeline.steps.map(({ who, what }, at) => {
        const made = button(`${who} ${what}`, () => this.go(at))
        return make('li', {}, made)
      }),
    )
    the('lab-ends').replaceChildren(...timeline.ends.map(says => make('li', { textContent: says })))
    this.go(0)
  }

  private go(step: number): void {
    const { steps } = this.replayed!
    this.step = Math.max(0, Math.min(steps.length - 1, step))
    const buttons = [...the('lab-steps').querySelectorAll('button')]
    buttons.forEach((each, at) => {
      each.setAttribute('aria-current', String(at === this.step))
      each.tabIndex = at === this.step ? 0 : -1
    })
    buttons[this.step]?.focus()
    the<HTMLButtonElement>('lab-previous').disabled = this.step === 0
    the<HTMLButtonElement>('lab-next').disabled = this.step === steps.length - 1
    the('lab-ends').hidden = this.step < steps.length - 1
    const now = steps[this.step]
    the('lab-standing').replaceChildren(
      ...(now?.tasks ?? []).map(({ name, state, waitsFor, holds }) =>
        make(
          'tr',
          {},
          make('th', { scope: 'row', textContent: name }),
          make('td', { textContent: waitsFor === '' ? state : `${state} for ${waitsFor}` }),
          make('td', { textContent: holds.length === 0 ? 'nothing' : holds.join(', ') }),
        ),
      ),
    )
  }

  private async compare(): Promise<void> {
    const disciplines = [...the('lab-compared').querySelectorAll('input')]
      .filter(({ checked }) => checked)
      .map(({ value }) => value)
    if (disciplines.length === 0) {
      this.going.say('Choose at least one discipline to play the workload under.')
      return
    }
    the('lab-result').hidden = true
    const asked = this.colleague.ask(
      { kind: 'compare', workload: this.workload.value, disciplines },
      this.going.progress,
    )
    const shown = await this.going.during('Playing', asked)
    if (shown === undefined) return
    this.page = shown.page
    the('lab-result').hidden = false
    showReport(the('lab-content'), shown.content)
    the('lab-result').scrollIntoView()
  }
}
