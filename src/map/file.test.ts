/** Files of the software machine. */
import { files } from './file.suite.ts'
import { SOFTWARE } from './software.suite.ts'

files(SOFTWARE)
