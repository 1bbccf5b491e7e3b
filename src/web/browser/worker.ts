/**
 * The page's worker: reads traces, replays them, explores and plays workloads, with the same rooms that the command line has. What
 * it was asked to read stays with it, for further questions.
 */

import { exploreEach, isExpected, replay } from '../../explore/index.ts'
import { disciplineNamed } from '../../mm/index.ts'
import {
  type AnalyzedFiles,
  analyze,
  momentsOf,
  readScenes,
  reportOf,
  type Scene,
  timelinesOf,
  whatIf,
} from '../../observe/index.ts'
import { perfettoTrace, type Report, renderContent, renderPage } from '../../report/index.ts'
import { readScenario } from '../../scenarios/index.ts'
import { compare, compareReport, workloadNamed } from '../../timed/index.ts'
import type { Analyzed, Answers, ExploredRow, Question, Replayed, Shown, Told } from './messages.ts'
import { choose } from './stand-ins/fs.ts'

const MADE_BY = 'faultline.html'
const SCENARIO_FILE = 'scenario.yaml'
const PROGRESS_EVERY_MS = 50

interface Read {
  readonly account: AnalyzedFiles
  readonly scenes: readonly Scene[]
  readonly thresholdMs: number
}

let read: Read | undefined
let lastProgress = 0

const tell = (told: Told): void => globalThis.postMessage(told)

globalThis.onmessage = async ({ data }: MessageEvent<Question>) => {
  try {
    tell({ kind: 'answer', answer: await answer(data) })
  } catch (error) {
    tell({ kind: 'refused', says: error instanceof Error ? error.message : String(error) })
  }
}

async function answer(question: Question): Promise<Answers[keyof Answers]> {
  switch (question.kind) {
    case 'analyze':
      return analyzed(question)
    case 'what if':
      return shown(question.discipline)
    case 'perfetto':
      return perfetto()
    case 'explore':
      return explored(question)
    case 'replay':
      return replayed(question)
    case 'compare':
      return compared(question)
  }
}

async function analyzed(question: Question & { kind: 'analyze' }): Promise<Analyzed> {
  const { thresholdMs, clockHz, kallsyms } = question
  const paths = question.files.map(({ name, blob }, at) => {
    const path = question.files.slice(0, at).some(each => each.name === name) ? `${at + 1}-${name}` : name
    choose(path, blob)
    return path
  })
  const reading = {
    ...(clockHz === undefined ? {} : { clockHz }),
    ...(kallsyms === undefined ? {} : { kallsyms: await kallsyms.text() }),
  }
  const whole = question.files.reduce((sum, { blob }) => sum + blob.size, 0)
  let before = 0
  let last = 0
  const onProgress = (words: string) => (bytes: number) => {
    if (bytes < last) before += last
    last = bytes
    progress(words, Math.min(1, (before + bytes) / Math.max(1, whole)))
  }
  const account = await analyze(paths, { thresholdMs }, { ...reading, onProgress: onProgress('Reading') })
  const moments = momentsOf(account, thresholdMs)
  before = 0
  last = 0
  const again = { ...reading, onProgress: onProgress('Reading the worst moments again') }
  const scenes = await readScenes(paths, moments, again)
  read = { account, scenes, thresholdMs }
  return shown(question.discipline)
}

function shown(discipline: string): Analyzed {
  const { account, scenes, thresholdMs } = read!
  if (discipline !== '') progress(`Replaying under ${discipline}`, undefined)
  const answered =
    discipline === '' ? null : whatIf(scenes, { discipline, kernelDiscipline: null, thresholdMs })
  const timelines = timelinesOf(scenes)
  const report = reportOf({ account, timelines, whatIf: answered, thresholdMs, madeBy: MADE_BY })
  return {
    ...asShown(report),
    doubts: account.doubts,
    conclusive: account.conclusive,
    found: account.inversions.length + account.openWaits.length,
    events: account.files.reduce((sum, file) => sum + file.events, 0),
    json: JSON.stringify(answered === null ? account : { ...account, whatIf: answered }, undefined, 2),
    moments: scenes.length,
    discipline,
  }
}

function perfetto(): Uint8Array<ArrayBuffer> {
  const chunks = [...perfettoTrace(timelinesOf(read!.scenes))]
  const whole = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0))
  let at = 0
  for (const chunk of chunks) {
    whole.set(chunk, at)
    at += chunk.length
  }
  return whole
}

function explored({ yaml, disciplines }: Question & { kind: 'explore' }): ExploredRow[] {
  const scenario = readScenario(SCENARIO_FILE, yaml)
  const rows: ExploredRow[] = []
  progress('Exploring', 0)
  for (const found of exploreEach(
    scenario,
    disciplines.map(name => disciplineNamed(name)!),
  )) {
    const { discipline, states, complete, violations } = found
    rows.push({
      discipline,
      states,
      complete,
      violations: violations.map(each => ({ ...each, isExpected: isExpected(each.property, discipline) })),
    })
    progress(`Explored under ${discipline}`, rows.length / disciplines.length)
  }
  return rows
}

function replayed({ yaml, discipline, schedule }: Question & { kind: 'replay' }): Replayed {
  const timeline = replay(readScenario(SCENARIO_FILE, yaml), disciplineNamed(discipline)!, schedule)
  if (typeof timeline === 'string') throw new Error(timeline)
  return timeline
}

async function compared({ workload, disciplines }: Question & { kind: 'compare' }): Promise<Shown> {
  const comparison = await compare({
    workloads: [workloadNamed(workload)!],
    disciplines,
    seed: 1,
    signal: new AbortController().signal,
    onRun: (words, at, of) => progress(`Playing ${words}`, (at - 1) / of),
  })
  return asShown(compareReport(comparison, MADE_BY))
}

const asShown = (report: Report): Shown => ({ content: renderContent(report), page: renderPage(report) })

function progress(words: string, part: number | undefined): void {
  const now = performance.now()
  if (part !== undefined && part > 0 && part < 1 && now - lastProgress < PROGRESS_EVERY_MS) return
  lastProgress = now
  tell({ kind: 'progress', words, part })
}
