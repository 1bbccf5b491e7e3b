/** The lab's model held against the kernel that runs: who waits, and how long. */
export { NotHere } from '../differential/index.ts'
export { FAULTS, FILESYSTEMS, READERS, type Wanted, WRITERS } from './experiments.ts'
export { GIVEN, validationReport } from './page.ts'
export { validateTraces } from './traces.ts'
export { type Validated, validate } from './validate.ts'
export { validatedText } from './words.ts'
