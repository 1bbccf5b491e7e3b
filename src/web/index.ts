/**
 * `faultline.html`: observe and the lab as one static file that needs nothing, and sends nothing.
 *
 *     browser/main.ts      what is clicked        <- messages.ts ->      browser/worker.ts      reads, replays, explores
 *     shell.ts             the page around them, built by scripts/page.ts into dist/faultline.html
 *     servePage(files)     the same from this machine, with files that it opens by itself
 */
export { type Serving, servePage } from './serve.ts'
