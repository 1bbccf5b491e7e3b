/** Beyond what 32 bits count, on the software machine. */
import { far } from './far.suite.ts'
import { SOFTWARE } from './software.suite.ts'

far(SOFTWARE)
