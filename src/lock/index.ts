/** Locks: the fair reader/writer lock of a space, the locks of its VMAs, and the order in which they are taken. */
export { RANK } from './classes.ts'
export { RwLock } from './rw-lock.ts'
export { SpaceLock, VmaLock } from './vma-lock.ts'
export { blockerOf, chainSentence, hangs, linkText, waitChain } from './wait-chain.ts'
