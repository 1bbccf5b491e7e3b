/** The MMU: page tables, and the software MMU that reads and stores through them. */
export { Attempts, Cold, type Participant, type SectionHost } from './attempts.ts'
export {
  type Entry,
  entryOf,
  frameOf,
  inFrame,
  LOAD,
  old,
  PageTable,
  PRESENT,
  readOnly,
  STORE,
  SWAP,
  swapEntry,
  type TableMirror,
  VPN_END,
  WRITABLE,
  young,
} from './page-table.ts'
export { Views } from './row-view.ts'
export { type Stored, UndoLog } from './undo-log.ts'
export { type Elements, type FrameMemory, MISS, type Miss, type Offsets, View, type Walk } from './view.ts'
