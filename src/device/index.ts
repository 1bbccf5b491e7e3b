/** Things with blocks: the contract, and the devices that need no host. */
export type { Device, Operation, Request } from './device.ts'
