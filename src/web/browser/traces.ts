/**
 * The view of traces: drop, choose or paste; then the worst chains as sentences, the timelines, and what another discipline would
 * have changed.
 */
import { Colleague } from './colleague.ts'
import { button, download, options, the } from './dom.ts'
import { note, placeOf } from './fragment.ts'
import { Going } from './going.ts'
import type { Analyzed, Chosen } from './messages.ts'
import { handOver, openPerfetto } from './perfetto.ts'
import { showReport } from './report.ts'

export interface Example {
  readonly name: string
  readonly about: string
  /** Base64 of the file, gzipped. */
  readonly data: string
}

/** A file that `faultline observe open` serves beside the page. */
export interface Served {
  readonly name: string
  readonly href: string
}

const THRESHOLD_MS = 50

export class Traces {
  private readonly colleague: Colleague
  private readonly going: Going
  private readonly examples: readonly Example[]
  private readonly discipline = the<HTMLSelectElement>('traces-discipline')
  private chosen: readonly Chosen[] = []
  private last: Analyzed | undefined
  /** The worker has read the files that are chosen. */
  private isRead = false

  constructor(worker: string, disciplines: readonly string[], examples: readonly Example[]) {
    this.colleague = new Colleague(worker)
    this.going = new Going('traces', () => {
      this.isRead = false
      this.colleague.cancel()
    })
    this.examples = examples
    options(this.discipline, disciplines)
    for (const { name, about } of examples) {
      const made = button(name, () => this.example(name))
      made.title = about
      the('traces-examples').append(made)
    }
    this.listen()
  }

  /** What the fragment or the command asks for. */
  async begin(served: readonly Served[]): Promise<void> {
    const { values } = placeOf(location.hash)
    this.field('traces-threshold').value = values.get('threshold') ?? String(THRESHOLD_MS)
    this.discipline.value = values.get('discipline') ?? ''
    if (served.length > 0) {
      const files = Promise.all(
        served.map(async ({ name, href }) => ({ name, blob: await (await fetch(href)).blob() })),
      )
      const fetched = await this.going.during('Fetching', files)
      if (fetched !== undefined) await this.analyze(fetched)
      return
    }
    const example = values.get('example')
    if (example !== null) this.example(example)
  }

  private listen(): void {
    const files = this.field('traces-files')
    files.addEventListener('change', () => this.take(files.files!))
    the('traces-read').addEventListener('click', () => {
      const text = the<HTMLTextAreaElement>('traces-text').value
      if (text.trim() === '') this.going.say('There is no text to read; paste some into the field first.')
      else this.analyzeAnew([{ name: 'pasted.txt', blob: new Blob([text]) }])
    })
    const drop = document.documentElement
    drop.addEventListener('dragover', event => {
      event.preventDefault()
      the('traces-drop').classList.add('over')
    })
    drop.addEventListener('dragleave', () => the('traces-drop').classList.remove('over'))
    drop.addEventListener('drop', event => {
      event.preventDefault()
      the('traces-drop').classList.remove('over')
      const { files: dropped } = event.dataTransfer!
      if (dropped.length > 0) this.take(dropped)
    })
    document.addEventListener('paste', event => {
      if (the('traces').hidden || event.target instanceof HTMLTextAreaElement) return
      if (event.target instanceof HTMLInputElement) return
      const { files: pasted } = event.clipboardData!
      const text = event.clipboardData!.getData('text/plain')
      if (pasted.length > 0) this.take(pasted)
      else if (text.trim() !== '') this.analyzeAnew([{ name: 'pasted.txt', blob: new Blob([text]) }])
    })
    this.discipline.addEventListener('change', () => this.whatIf())
    for (const id of ['traces-threshold', 'traces-clock'])
      this.field(id).addEventListener('change', () => {
        if (this.chosen.length > 0) this.analyze(this.chosen)
      })
    the('traces-report').addEventListener('click', () =>
      download('report.html', 'text/html', this.last!.page),
    )
    the('traces-json').addEventListener('click', () =>
      download('account.json', 'application/json', this.last!.json),
    )
    the('traces-pftrace').addEventListener('click', async () => {
      const bytes = await this.perfetto()
      if (bytes !== undefined) download('worst.pftrace', 'application/octet-stream', bytes)
    })
    the('traces-perfetto').addEventListener('click', async () => {
      const tab = openPerfetto()
      if (tab === null) {
        this.going.say(
          'The browser would not open a tab for ui.perfetto.dev; allow it, or download the trace.',
        )
        return
      }
      const bytes = await this.perfetto()
      if (bytes !== undefined && !(await handOver(tab, bytes, 'Faultline: the worst moments')))
        this.going.say('ui.perfetto.dev did not answer; download the trace and open it there.')
    })
  }

  private field(id: string): HTMLInputElement {
    return the<HTMLInputElement>(id)
  }

  private take(files: FileList): void {
    this.analyzeAnew([...files].map(file => ({ name: file.name, blob: file })))
  }

  private analyzeAnew(files: readonly Chosen[]): void {
    note('traces', { example: '' })
    this.analyze(files)
  }

  private example(name: string): void {
    const found = this.examples.find(each => each.name === name)
    if (found === undefined) {
      const names = this.examples.map(each => each.name).join(', ')
      this.going.say(`There is no example ${name}; there are ${names}.`)
      return
    }
    note('traces', { example: name })
    const bytes = Uint8Array.from(atob(found.data), letter => letter.charCodeAt(0))
    this.analyze([{ name: `${name}.txt.gz`, blob: new Blob([bytes]) }])
  }

  private async analyze(files: readonly Chosen[]): Promise<void> {
    const thresholdMs = Number(this.field('traces-threshold').value)
    const clock = this.field('traces-clock').value
    if (!(thresholdMs >= 0.001)) {
      this.going.say('The shortest wait to tell must be a number of milliseconds, such as 50.')
      return
    }
    note('traces', { threshold: thresholdMs === THRESHOLD_MS ? '' : String(thresholdMs) })
    this.chosen = files
    this.isRead = false
    the('traces-result').hidden = true
    const question = {
      kind: 'analyze' as const,
      files,
      thresholdMs,
      clockHz: clock === '' ? undefined : Number(clock),
      kallsyms: this.field('traces-kallsyms').files?.[0],
      discipline: this.discipline.value,
    }
    const answer = await this.going.during('Reading', this.colleague.ask(question, this.going.progress))
    if (answer === undefined) return
    this.isRead = true
    this.show(answer)
    the('traces-result').focus({ preventScroll: true })
    the('traces-result').scrollIntoView()
  }

  private async whatIf(): Promise<void> {
    const discipline = this.discipline.value
    note('traces', { discipline })
    if (this.chosen.length === 0) return
    if (!this.isRead) {
      await this.analyze(this.chosen)
      return
    }
    const asked = this.colleague.ask({ kind: 'what if', discipline }, this.going.progress)
    const answer = await this.going.during('Replaying', asked)
    if (answer !== undefined) this.show(answer)
  }

  private perfetto(): Promise<Uint8Array<ArrayBuffer> | undefined> {
    const asked = this.colleague.ask({ kind: 'perfetto' }, this.going.progress)
    return this.going.during('Drawing for Perfetto', asked)
  }

  private show(answer: Analyzed): void {
    this.last = answer
    const names = this.chosen.map(({ name }) => name).join(', ')
    the('traces-read-of').textContent = `${names}: ${answer.events.toLocaleString('en')} events`
    the('traces-doubts').replaceChildren(
      ...answer.doubts.map(says => {
        const line = document.createElement('p')
        line.textContent = says
        return line
      }),
    )
    for (const id of ['traces-perfetto', 'traces-pftrace'])
      the<HTMLButtonElement>(id).disabled = answer.moments === 0
    the('traces-result').hidden = false
    showReport(the('traces-content'), answer.content)
  }
}
