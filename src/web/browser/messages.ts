/** What the page asks of its worker, and what it is told: plain data. One question at a time. */
export interface Chosen {
  readonly name: string
  readonly blob: Blob
}

export interface ScenarioName {
  /** YAML, as its user may have edited it. */
  readonly yaml: string
}

export type Question =
  | {
      readonly kind: 'analyze'
      readonly files: readonly Chosen[]
      readonly thresholdMs: number
      readonly clockHz: number | undefined
      readonly kallsyms: Blob | undefined
      /** '' for none. */
      readonly discipline: string
    }
  | { readonly kind: 'what if'; readonly discipline: string }
  | { readonly kind: 'perfetto' }
  | ({ readonly kind: 'explore'; readonly disciplines: readonly string[] } & ScenarioName)
  | ({ readonly kind: 'replay'; readonly discipline: string; readonly schedule: string } & ScenarioName)
  | { readonly kind: 'compare'; readonly workload: string; readonly disciplines: readonly string[] }

/** A report: within this page, and as a page of its own. */
export interface Shown {
  readonly content: string
  readonly page: string
}

export interface Analyzed extends Shown {
  /** What forbids to believe that the account says all. */
  readonly doubts: readonly string[]
  readonly conclusive: boolean
  readonly found: number
  readonly events: number
  readonly json: string
  /** Moments that can be drawn and replayed. */
  readonly moments: number
  /** Of the counterfactual, if one was asked for. */
  readonly discipline: string
}

export interface Catalogue {
  readonly scenarios: readonly { readonly name: string; readonly about: string; readonly yaml: string }[]
  readonly disciplines: readonly string[]
  readonly workloads: readonly { readonly name: string; readonly about: string }[]
}

export interface Found {
  readonly property: string
  readonly says: string
  readonly schedule: string
  readonly chain: readonly string[]
  /** It is what this discipline is known for, and no bug. */
  readonly isExpected: boolean
}

export interface ExploredRow {
  readonly discipline: string
  readonly states: number
  readonly complete: boolean
  readonly violations: readonly Found[]
}

export interface Replayed {
  readonly scenario: string
  readonly discipline: string
  readonly schedule: string
  readonly steps: readonly {
    readonly choice: string
    readonly who: string
    readonly what: string
    readonly tasks: readonly {
      readonly name: string
      readonly state: string
      readonly waitsFor: string
      readonly holds: readonly string[]
    }[]
  }[]
  readonly ends: readonly string[]
}

export interface Answers {
  readonly analyze: Analyzed
  readonly 'what if': Analyzed
  readonly perfetto: Uint8Array<ArrayBuffer>
  readonly explore: readonly ExploredRow[]
  readonly replay: Replayed
  readonly compare: Shown
}

export type Told =
  | { readonly kind: 'progress'; readonly words: string; readonly part: number | undefined }
  | { readonly kind: 'answer'; readonly answer: Answers[keyof Answers] }
  | { readonly kind: 'refused'; readonly says: string }
