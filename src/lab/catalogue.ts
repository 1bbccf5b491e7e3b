/** x */
import { FILE_DEFAULTS, MAPPING_DEFAULTS, SCENARIO_DEFAULTS, type Scenario } from './scenario.ts'

const data = { data: { ...MAPPING_DEFAULTS, file: 'data', pages: 2 } }
export const SCENARIOS: readonly Scenario[] = [
  {
    ...SCENARIO_DEFAULTS,
    name: 'fault-munmap',
    about: 'x',
    from: 'y',
    files: { data: { ...FILE_DEFAULTS, pages: 2 } },
    mappings: data,
    tasks: ['load data 0', 'store data 1', 'munmap data'],
  },
  {
    ...SCENARIO_DEFAULTS,
    name: 'mkwrite-fork-proc',
    about: 'x',
    from: 'y',
    files: { data: { ...FILE_DEFAULTS, pages: 2, stable: true } },
    mappings: data,
    before: ['store data 0'],
    tasks: ['store data 0', 'sync data', 'fork', 'proc maps'],
  },
]
