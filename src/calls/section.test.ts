/** Sections of the software machine. */

import { SOFTWARE } from '../map/software.suite.ts'
import { sections } from './section.suite.ts'

sections(SOFTWARE)
