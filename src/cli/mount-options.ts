/** Options as fstab and mount(8) have them, `-o ro,allow_other,memory=64MiB`, for a program that mount(8) calls. */
import { InvalidArgumentError } from 'commander'
import { didYouMean } from '../group/index.ts'
import { seconds, size } from './words.ts'

/** What of the words of mount they say. */
export interface FstabWords {
  readonly readOnly?: true
  readonly allowOther?: true
  readonly writeback?: true
  readonly groups?: true
  readonly memory?: number
  readonly commit?: number
}

export const MEMORY_MIN = 2 ** 20
export const commitSeconds = seconds(0.1, 3600)

const FLAGS: Readonly<Record<string, FstabWords>> = {
  ro: { readOnly: true },
  allow_other: { allowOther: true },
  writeback: { writeback: true },
  groups: { groups: true },
}
const VALUES: Readonly<Record<string, (text: string) => FstabWords>> = {
  memory: text => ({ memory: size(MEMORY_MIN)(text) }),
  commit: text => ({ commit: commitSeconds(text) }),
}
/** What mount(8), systemd and the kernel take for themselves, or is so on every mount of ours. */
const OTHERS =
  /^(rw|defaults|(no)?auto|nofail|(no)?users?|owner|group|_netdev|nodev|nosuid|exec|async|relatime|noatime|nodiratime|default_permissions|[xX]-.*|comment=.*|uhelper=.*)$/

export function fstabOptions(text: string): FstabWords {
  let words: FstabWords = {}
  for (const option of text.split(',').filter(each => each !== '')) {
    const [name, value] = option.split(/=(.*)/s) as [string, string | undefined]
    const flag = value === undefined && Object.hasOwn(FLAGS, name) ? FLAGS[name] : undefined
    if (flag !== undefined) words = { ...words, ...flag }
    else if (value !== undefined && Object.hasOwn(VALUES, name)) words = { ...words, ...VALUES[name]!(value) }
    else if (!OTHERS.test(option)) {
      const known = [...Object.keys(FLAGS), ...Object.keys(VALUES)]
      throw new InvalidArgumentError(`there is no option ${option} here${didYouMean(name, known)}.`)
    }
  }
  return words
}
