/** What tests, lab and benches build their machines with, and break them with. */
export { type RigOptions, rigEngine, StillClock } from './engine.ts'
export { MetadataServer } from './metadata-server.ts'
export { type Message, Network } from './network.ts'
export { replace } from './replace.ts'
