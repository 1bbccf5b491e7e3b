/** Everything that is true of volumes is true of one whose store has no record here when it is asked (ST6). */
import assert from 'node:assert/strict'
import { after } from 'node:test'
import { LateStore } from './late-store.suite.ts'
import { layMetadataIn } from './volume-world.suite.ts'

let absences = 0

layMetadataIn(
  class extends LateStore {
    override release(error?: number): void {
      absences += this.absences
      this.absences = 0
      super.release(error)
    }
  },
)
after(() => assert.ok(absences > 2000, `${absences} reads waited for their records`))

for (const suite of ['dax', 'ranges', 'reflink', 'volume']) await import(`./${suite}.test.ts`)
