/** Damages: what can become of the bytes of a volume, of its metadata and of its data, chosen at random. */
import type { Prng } from '../base/index.ts'
import type { Contents, Files, Image } from './damaged-shapes.suite.ts'

const PAGE = 4096

export interface Damaged extends Files {
  /** What was done, in words. */
  readonly what: readonly string[]
  /** Contents that files may have: more than one where a part is consistently older. */
  readonly holds: readonly Contents[]
}

/** The bytes of a volume, being damaged. */
interface Patient {
  data: Buffer
  store: Buffer
  holds: readonly Contents[]
}

type Kind = (at: Patient, image: Image, prng: Prng) => string

/** One to MOST_PAGES pages in a row of the metadata, from the third on; sometimes of its headers. */
const MOST_PAGES = 3

function pageOf(bytes: Buffer, prng: Prng): number {
  return prng.below(Math.max(1, Math.floor(bytes.length / PAGE)))
}

/** A page of the metadata; half of the time one of its headers, of the tree, or with the stamp of the last commit. */
function storePage(store: Buffer, prng: Prng): number {
  if (prng.below(2) === 0) return pageOf(store, prng)
  const stamps = pagesOf(store).map(page => store.readBigUInt64LE(page * PAGE + 40))
  const last = stamps.reduce((most, stamp) => (stamp > most && stamp < 2n ** 53n ? stamp : most), 0n)
  const picked = pagesOf(store).filter(
    page => page < 2 || [1, 2].includes(store.readUInt16LE(page * PAGE + 18)) || stamps[page] === last,
  )
  return prng.pick(picked)
}

function pagesOf(bytes: Buffer): number[] {
  return Array.from({ length: Math.max(1, Math.floor(bytes.length / PAGE)) }, (_, page) => page)
}

function inPage(bytes: Buffer, page: number): Buffer {
  return bytes.subarray(page * PAGE, (page + 1) * PAGE)
}

function flip(bytes: Buffer, prng: Prng): number {
  const bit = prng.below(bytes.length * 8)
  bytes[bit >>> 3]! ^= 1 << (bit & 7)
  return bit >>> 3
}

const OF_METADATA: readonly Kind[] = [
  ({ store }, _, prng) => {
    const page = storePage(store, prng)
    const pages = 1 + prng.below(MOST_PAGES)
    store.subarray(page * PAGE, (page + pages) * PAGE).fill(0)
    return `metadata: ${pages} pages from ${page} on zeroed`
  },
  ({ store }, _, prng) => {
    const [one, other] = [storePage(store, prng), storePage(store, prng)]
    const kept = Buffer.from(inPage(store, one))
    inPage(store, other).copy(store, one * PAGE)
    kept.copy(store, other * PAGE)
    return `metadata: pages ${one} and ${other} swapped`
  },
  ({ store }, _, prng) => {
    const [from, to] = [storePage(store, prng), storePage(store, prng)]
    inPage(store, from).copy(store, to * PAGE)
    return `metadata: page ${from} written to page ${to} too`
  },
  ({ store }, { earlier }, prng) => {
    const page = 2 + prng.below(earlier.store.length / PAGE - 2)
    inPage(earlier.store, page).copy(store, page * PAGE)
    return `metadata: page ${page} is as it was earlier`
  },
  ({ store }, { other }, prng) => {
    const page = storePage(store, prng)
    inPage(other.store, page % (other.store.length / PAGE)).copy(store, page * PAGE)
    return `metadata: page ${page} is another volume's`
  },
  ({ store }, _, prng) => `metadata: a bit of byte ${flip(store, prng)} flipped`,
  ({ store }, _, prng) => {
    const page = storePage(store, prng)
    return `metadata: a bit of byte ${flip(inPage(store, page).subarray(0, 40), prng)} of page ${page} flipped`
  },
  ({ store }, _, prng) => {
    const page = storePage(store, prng)
    inPage(store, page).forEach((_byte, at, bytes) => {
      bytes[at] = prng.below(256)
    })
    return `metadata: page ${page} is noise`
  },
  ({ store }, _, prng) => {
    const page = storePage(store, prng)
    const from = 512 * prng.below(8)
    inPage(store, page).fill(0, from, from + 512)
    return `metadata: bytes ${from} to ${from + 511} of page ${page} zeroed`
  },
]

const OF_DATA: readonly Kind[] = [
  ({ data }, _, prng) => {
    const block = pageOf(data, prng)
    const blocks = 1 + prng.below(40)
    data.subarray(block * PAGE, (block + blocks) * PAGE).fill(0)
    return `data: ${blocks} blocks from ${block} on zeroed`
  },
  ({ data }, _, prng) => {
    const bytes = Array.from({ length: 1 + prng.below(60) }, () => flip(data, prng))
    return `data: a bit of each of bytes ${bytes.join(', ')} flipped`
  },
  ({ data }, _, prng) => {
    const [one, other] = [pageOf(data, prng), pageOf(data, prng)]
    const kept = Buffer.from(inPage(data, one))
    inPage(data, other).copy(data, one * PAGE)
    kept.copy(data, other * PAGE)
    return `data: blocks ${one} and ${other} swapped`
  },
  ({ data }, { earlier }, prng) => {
    const block = pageOf(data, prng)
    const end = block + 1 + prng.below(200)
    earlier.data.copy(data, block * PAGE, block * PAGE, end * PAGE)
    return `data: blocks ${block} to ${end - 1} are as they were earlier`
  },
  ({ data }, _, prng) => `data: a bit of byte ${flip(inPage(data, 0), prng)}, of its first block, flipped`,
]

/** Of whole files: seldom, since little may be left. */
const OF_ALL: readonly Kind[] = [
  (at, _, prng) => {
    at.store = at.store.subarray(0, prng.below(at.store.length))
    return `metadata: cut to ${at.store.length} bytes`
  },
  (at, _, prng) => {
    at.store = at.store.subarray(0, at.store.length - PAGE * prng.below(6) - prng.below(PAGE))
    return `metadata: its end cut to ${at.store.length} bytes`
  },
  (at, _, prng) => {
    at.data = at.data.subarray(0, prng.below(at.data.length))
    return `data: cut to ${at.data.length} bytes`
  },
  (at, _, prng) => {
    at.data = Buffer.concat([at.data, Buffer.alloc(prng.below(100 * PAGE), 7)])
    return `data: grown to ${at.data.length} bytes`
  },
  (at, { other }) => {
    at.data = Buffer.from(other.data)
    return "data: another volume's"
  },
  (at, { earlier }) => {
    at.data = Buffer.from(earlier.data)
    return 'data: as it was earlier'
  },
  (at, { earlier }) => {
    at.store = Buffer.from(earlier.store)
    at.holds = [earlier.holds]
    return 'metadata: as it was earlier'
  },
  ({ store }, _, prng) => {
    store.fill(0, 0, 2 * PAGE)
    return `metadata: both headers zeroed, and a bit of byte ${flip(store, prng)} flipped`
  },
]

/** One damage to four, the same for the same chance. */
export function damaged(image: Image, prng: Prng): Damaged {
  const at: Patient = { data: Buffer.from(image.data), store: Buffer.from(image.store), holds: [image.holds] }
  const what: string[] = []
  if (prng.below(8) === 0) what.push(prng.pick(OF_ALL)(at, image, prng))
  const most = what.length === 0 ? 1 + prng.below(4) : prng.below(2)
  for (let n = 0; n < most && at.store.length > 2 * PAGE && at.data.length > PAGE; n++)
    what.push(prng.pick(prng.below(4) === 0 ? OF_DATA : OF_METADATA)(at, image, prng))
  return { ...at, what }
}
