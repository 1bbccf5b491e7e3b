/** The composition root: an engine made of the rooms below, for the doors above. It runs wherever JavaScript does. */
export { check } from './check.ts'
export {
  type DumpedBio,
  type DumpedGroup,
  type DumpedLock,
  type DumpedTask,
  dump,
  type MachineDump,
} from './dump.ts'
export { Engine, type EngineOptions, type Hardware, type Verbs } from './engine.ts'
