/** Hands a trace to ui.perfetto.dev in another tab: asks until it answers, then posts the bytes to that tab, not to a server. */
const PERFETTO = 'https://ui.perfetto.dev'
const ASK_EVERY_MS = 50
const GIVE_UP_MS = 60_000

/** Opened in the click itself, or the browser takes it for a nuisance. */
export function openPerfetto(): Window | null {
  return window.open(PERFETTO)
}

export function handOver(to: Window, bytes: Uint8Array<ArrayBuffer>, title: string): Promise<boolean> {
  return new Promise(resolve => {
    const end = (isTaken: boolean) => {
      clearInterval(asking)
      clearTimeout(giveUp)
      window.removeEventListener('message', hear)
      resolve(isTaken)
    }
    const asking = setInterval(() => to.postMessage('PING', PERFETTO), ASK_EVERY_MS)
    const giveUp = setTimeout(() => end(false), GIVE_UP_MS)
    const hear = (event: MessageEvent) => {
      if (event.data !== 'PONG' || event.source !== to) return
      to.postMessage({ perfetto: { buffer: bytes.buffer, title } }, PERFETTO)
      end(true)
    }
    window.addEventListener('message', hear)
  })
}
