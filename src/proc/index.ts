/** What /proc shows of a machine: ps, status, maps, smaps, cmdline, under the locks that Linux takes for them. */
export {
  type ProcArgs,
  type ProcFile,
  ProcReader,
  Ps,
  type PsArgs,
  type PsRow,
  procArgs,
} from './proc-reader.ts'
export { type Status, status } from './status.ts'
