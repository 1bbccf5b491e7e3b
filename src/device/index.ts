/** Things with blocks: the contract, the device that needs no host, and the wrappers that delay, hold or break one. */
export { BrokenDevice, type Fault } from './broken-device.ts'
export { DeferredDevice } from './deferred-device.ts'
export type { Device, Operation, Request, Spent } from './device.ts'
export { HeldDevice } from './held-device.ts'
export { MemoryDevice, type MemoryDeviceOptions } from './memory-device.ts'
export { type ServiceTime, SlowDevice } from './slow-device.ts'
