/** What tests, lab and benches build their machines with, and break them with. */
export { type RigOptions, rigEngine, StillClock } from './engine.ts'
export { type Call, type Commit, MetadataServer, type Reply } from './metadata-server.ts'
export { type Client, type Message, Network } from './network.ts'
export { NetworkedStore, type Role } from './networked-store.ts'
export { replace } from './replace.ts'
