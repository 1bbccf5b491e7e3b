/** The worker as the page has it: one question at a time, with progress, and an end to it at any time. */
import type { Answers, Question, Told } from './messages.ts'

export class Cancelled extends Error {}

export class Colleague {
  private readonly source: string
  private worker: Worker
  private refuse: ((error: Error) => void) | undefined

  /** `source` is the address of its program. */
  constructor(source: string) {
    this.source = source
    this.worker = new Worker(source)
  }

  ask<Kind extends Question['kind']>(
    question: Question & { readonly kind: Kind },
    onProgress: (words: string, part: number | undefined) => void,
  ): Promise<Answers[Kind]> {
    this.cancel()
    return new Promise((resolve, reject) => {
      this.refuse = reject
      this.worker.onmessage = ({ data }: MessageEvent<Told>) => {
        if (data.kind === 'progress') {
          onProgress(data.words, data.part)
          return
        }
        this.refuse = undefined
        if (data.kind === 'answer') resolve(data.answer as Answers[Kind])
        else reject(new Error(data.says))
      }
      this.worker.onerror = event => {
        this.refuse = undefined
        reject(new Error(event.message))
      }
      this.worker.postMessage(question)
    })
  }

  /** Ends what goes on; the worker and what it had read are gone. */
  cancel(): void {
    if (this.refuse === undefined) return
    this.worker.terminate()
    this.worker = new Worker(this.source)
    const refuse = this.refuse
    this.refuse = undefined
    refuse(new Cancelled())
  }
}
