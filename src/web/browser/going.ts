/** What goes on, as its user sees it: words, a bar, a button that ends it; and what went wrong, said aloud. */
import { messageOf } from '../../base/index.ts'
import { Cancelled } from './colleague.ts'
import { the } from './dom.ts'

export class Going {
  private readonly box: HTMLElement
  private readonly words: HTMLElement
  private readonly bar: HTMLProgressElement
  private readonly trouble: HTMLElement

  /** Of the elements `PREFIX-going`, `-words`, `-bar`, `-cancel` and `-trouble`. */
  constructor(prefix: string, cancel: () => void) {
    this.box = the(`${prefix}-going`)
    this.words = the(`${prefix}-words`)
    this.bar = the<HTMLProgressElement>(`${prefix}-bar`)
    this.trouble = the(`${prefix}-trouble`)
    the(`${prefix}-cancel`).addEventListener('click', cancel)
    this.box.addEventListener('keydown', ({ key }) => {
      if (key === 'Escape') cancel()
    })
  }

  readonly progress = (words: string, part: number | undefined): void => {
    this.words.textContent = part === undefined ? `${words} …` : `${words}: ${Math.floor(part * 100)} %`
    if (part === undefined) this.bar.removeAttribute('value')
    else this.bar.value = part
  }

  /** Shows that something goes on until `work` has ended; undefined if it failed or was cancelled, and said so. */
  async during<Value>(words: string, work: Promise<Value>): Promise<Value | undefined> {
    this.progress(words, undefined)
    this.trouble.textContent = ''
    this.box.hidden = false
    try {
      return await work
    } catch (error) {
      this.say(error instanceof Cancelled ? 'Cancelled.' : messageOf(error))
      return undefined
    } finally {
      this.box.hidden = true
    }
  }

  say(words: string): void {
    this.trouble.textContent = words
  }
}
