/** Sections of the software machine. */
import { sections } from './section.suite.ts'
import { SOFTWARE } from './software.suite.ts'

sections(SOFTWARE)
