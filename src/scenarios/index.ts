/**
 * What may happen on a small machine, as plain data: scenario.ts says what a scenario is, scenario-file.ts reads and writes
 * the files of users, catalogue.ts has those that come with the lab (volume-catalogue.ts those on a volume).
 */
export { SCENARIOS } from './catalogue.ts'
export { AWAY, type Phrase, parsePhrase, type Scenario, scenarioOf, type VerbName } from './scenario.ts'
export { readScenario, ScenarioError, writeScenario } from './scenario-file.ts'
