/** The one watchdog of this thread, started when there is something for it to watch. */
import { Thread } from './threads.ts'
import type { News } from './watchdog.ts'

let watchdog: Thread | undefined

export function watch(news: News): void {
  if (watchdog === undefined) watchdog = new Thread('watchdog', news)
  else watchdog.tell(news)
}
