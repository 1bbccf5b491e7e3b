/** Files on servers where the library's own door isn't: in pages and workers of a browser, and wherever else there is `fetch`. */
import { HttpDevice } from './http-device.ts'
import { Origin } from './origin.ts'
import { plainHeaders, REMOTE_DEFAULTS, type RemoteSettings } from './settings.ts'

/** How a file is asked for. What is left out is as in `machine.open`. */
export interface HttpDevicePlan extends Partial<RemoteSettings> {
  /** Runs what an answer has made ready: the driver's `pump`. */
  readonly pump: () => void
  /** Shared by the files of one server, with its connections and what is known of its latency; one of its own if left out. */
  readonly origin?: Origin
}

/** Opens a file on a server as a device, pinned to the version that it has now. Throws RemoteError, whose `code` says what was wrong. */
export function httpDevice(address: string | URL, plan: HttpDevicePlan): Promise<HttpDevice> {
  const { pump, origin, ...given } = plan
  const url = new URL(address)
  url.hash = ''
  const settings: RemoteSettings = {
    ...REMOTE_DEFAULTS,
    fetch: (where, init) => fetch(where, init),
    authorization: plainHeaders({}),
    ...given,
  }
  const file = {
    name: `${url.origin}${url.pathname}`,
    identity: url.href,
    url: url.href,
    origin: origin ?? new Origin(url.origin, settings.connections),
    settings,
  }
  return HttpDevice.open(file, pump)
}
