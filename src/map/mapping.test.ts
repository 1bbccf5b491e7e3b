/** Mappings of the software machine. */
import { mappings } from './mapping.suite.ts'
import { SOFTWARE } from './software.suite.ts'

mappings(SOFTWARE)
