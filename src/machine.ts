/**
 * The machine without Node: what runs in browsers, workers and anything else that has JavaScript. `faultline` itself opens
 * files of the host and so needs Node; here a program brings its own device and its own driver.
 *
 *     RealDriver     the event loop's time               MemoryDevice   a device in memory; or implement Device
 *     Engine         the composition root                LinearFile     a device's bytes as a file
 *     httpDevice     a file on a server, by fetch        RemoteError    why it can't be had
 *     engine.verbs   map, fault, msync, …                Attempts, View sections, and what they load and store through
 *
 * docs/browsers.md has a whole program. These are the engine's own parts: they may change with a minor version.
 *
 * @module
 */
export { ROOT } from './base/index.ts'
export { type Device, MemoryDevice } from './device/index.ts'
export { check, dump, Engine, type EngineOptions, type MachineDump, type Verbs } from './engine/index.ts'
export { LinearFile } from './fs/index.ts'
export { newReadState, newVmFault } from './memmap/index.ts'
export { faultArgs, type OpenFile, PROT_READ, PROT_WRITE } from './mm/index.ts'
export { Attempts, Cold, View } from './mmu/index.ts'
export {
  HttpDevice,
  type HttpDevicePlan,
  httpDevice,
  Origin,
  RemoteError,
  type RemoteSettings,
} from './remote/index.ts'
export { RealDriver, type Task, TimedDriver, type Verb } from './sched/index.ts'
export { msyncArgs } from './space/index.ts'
