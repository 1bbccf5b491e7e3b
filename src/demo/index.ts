/** The experiment of the mail on real files: the same work under each discipline, and what it showed. */
export { type DemoOptions, type DemoResult, playDemo } from './demo.ts'
export { reportOf } from './page.ts'
export { playReaders, type ReadersResult, readersSentence, readersTable } from './readers.ts'
export type { SceneResult } from './scene.ts'
export { columns, ms, sentenceOf, tableOf } from './words.ts'
