/** Which disks this computer has, as Linux tells. */
import fs from 'node:fs'

const MOUNTS = '/proc/self/mountinfo'

/**
 * Whether a disk of that major:minor is there: a block device, or what a mounted filesystem calls its own. A server's
 * address, and any disk where Linux doesn't tell, may be.
 */
export function hasDisk(disk: string): boolean {
  if (!/^\d+:\d+$/.test(disk) || !fs.existsSync(MOUNTS)) return true
  if (fs.existsSync(`/sys/dev/block/${disk}`)) return true
  // The third word of each line: proc_pid_mountinfo(5).
  return fs
    .readFileSync(MOUNTS, 'utf8')
    .split('\n')
    .some(line => line.split(' ', 3)[2] === disk)
}
