/** What is asked of node:timers/promises: turns of the event loop, which a message makes sooner than a timer. */
const { port1, port2 } = new MessageChannel()
const waiting: (() => void)[] = []
port1.onmessage = () => waiting.shift()?.()

export function setImmediate(): Promise<void> {
  return new Promise(resolve => {
    waiting.push(resolve)
    port2.postMessage(undefined)
  })
}

export const setTimeout = (ms: number): Promise<void> =>
  new Promise(resolve => globalThis.setTimeout(resolve, ms))
