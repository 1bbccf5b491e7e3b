/** The contract of the library, over the hardware MMU: the same suites that the software machine passes. */
import { describe } from 'node:test'
import { far } from '../map/far.suite.ts'
import { files } from '../map/file.suite.ts'
import { mappings } from '../map/mapping.suite.ts'
import { sections } from '../map/section.suite.ts'
import { HARDWARE, unavailable } from './hardware.suite.ts'

describe('over the hardware MMU', { skip: unavailable }, () => {
  mappings(HARDWARE)
  sections(HARDWARE)
  files(HARDWARE)
  far(HARDWARE)
})
