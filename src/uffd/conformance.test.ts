/** The contract of the library, over the hardware MMU: the same suites that the software machine passes. */
import { describe } from 'node:test'
import { sections } from '../calls/section.suite.ts'
import { files } from '../files/file.suite.ts'
import { far } from '../map/far.suite.ts'
import { mappings } from '../map/mapping.suite.ts'
import { HARDWARE, unavailable } from './hardware.suite.ts'

describe('over the hardware MMU', { skip: unavailable }, () => {
  mappings(HARDWARE)
  sections(HARDWARE)
  files(HARDWARE)
  far(HARDWARE)
})
