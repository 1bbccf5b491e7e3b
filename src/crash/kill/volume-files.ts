/** What the files of a volume hold, as stamps: each page must be full of one number. */
import { FaultlineError } from '../../calls/index.ts'
import type { Volume } from '../../volumes/index.ts'
import type { Files } from './operations.ts'

export const PAGE = 4096

/** A page isn't full of one number: half of something is there. */
export class TornPage extends Error {}

/** An attribute is as long as its stamp says, and its stamp is in all of it. */
export const NOTE = 'user.note'

export function note(stamp: number): Uint8Array {
  return new Uint8Array(new Uint32Array(1 + (stamp % 700)).fill(stamp).buffer)
}

async function noteOf(volume: Volume, path: string): Promise<number> {
  try {
    const found = await volume.getxattr(path, NOTE)
    const [stamp = 0] = new Uint32Array(found.slice(0, 4).buffer)
    if (Buffer.compare(found, note(stamp)) !== 0) throw new TornPage(`${NOTE} of ${path} isn't whole`)
    return stamp
  } catch (error) {
    if (error instanceof FaultlineError && error.code === 'ENODATA') return 0
    throw error
  }
}

export async function filesOf(volume: Volume): Promise<Files> {
  const files: Files = new Map()
  for (const { name } of await volume.list('/')) {
    const pages: number[] = []
    for await (const part of volume.get(`/${name}`)) {
      const words = new Uint32Array(part.buffer, part.byteOffset, part.length / 4)
      for (let at = 0; at < words.length; at += PAGE / 4) {
        const stamp = words[at]!
        if (!words.subarray(at, at + PAGE / 4).every(word => word === stamp))
          throw new TornPage(`page ${pages.length} of /${name} isn't full of one number`)
        pages.push(stamp)
      }
    }
    const { uid } = await volume.stat(`/${name}`)
    files.set(`/${name}`, { pages, owner: uid, note: await noteOf(volume, `/${name}`) })
  }
  return files
}
