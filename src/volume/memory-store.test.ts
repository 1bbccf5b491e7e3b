/** The store in memory by the contract of every store. */
import { Scheduler, TimedDriver } from '../sched/index.ts'
import { MemoryStore } from './memory-store.ts'
import { type StoreUnderTest, storeSuite } from './store.suite.ts'

function opened(image: ConstructorParameters<typeof MemoryStore>[1] = []): StoreUnderTest {
  const store = new MemoryStore(new Scheduler(new TimedDriver()), image)
  return {
    store,
    settle: async () => store.release(),
    reopen: async () => opened(store.image()),
    close: async () => {},
  }
}

storeSuite('memory', async () => opened())
