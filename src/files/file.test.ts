/** Files of the software machine. */

import { SOFTWARE } from '../map/software.suite.ts'
import { files } from './file.suite.ts'

files(SOFTWARE)
