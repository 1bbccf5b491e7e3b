/** What the files of a volume hold, as stamps: each page must be full of one number. */
import type { Volume } from '../../map/index.ts'
import type { Files } from './operations.ts'

export const PAGE = 4096

/** A page isn't full of one number: half of something is there. */
export class TornPage extends Error {}

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
    files.set(`/${name}`, pages)
  }
  return files
}
