/** A real file under the real driver. */
import { type Backend, MemoryBackend } from './backend.ts'
import type { Plan } from './operations.ts'

export function fileBackend(plan: Plan, content: Uint8Array): Backend {
  return new MemoryBackend(plan, content)
}
