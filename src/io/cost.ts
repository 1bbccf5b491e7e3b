/**
 * What a bio costs a device, in nanoseconds of its time: so much for each, so much for each page of 4 KiB.
 *
 * The coefficients are those that Linux's io.cost has for an SSD that it knows nothing else of. What matters here is how
 * costs compare: rates are found by measuring, in the same unit.
 *
 * Compare  Linux 6.12 block/blk-iocost.c: calc_lcoefs and calc_vtime_cost_builtin; autop[AUTOP_SSD_DFL]. There an I/O
 *          within 16 MiB of the group's last one is sequential and costs a little less; here all of one kind cost the same.
 */
import { type Bytes, type Ns, SECOND } from '../base/index.ts'
import type { Bio } from './bio.ts'

const PAGE: Bytes = 4096
/** Bytes and random I/Os a second: LCOEF_RBPS, _RRANDIOPS, _WBPS, _WRANDIOPS. */
const READ = { bytes: 488_636_629, ios: 8518 }
const WRITE = { bytes: 427_891_549, ios: 21_940 }

const coefficients = ({ bytes, ios }: typeof READ) => {
  const page = (PAGE * SECOND) / bytes
  return { page, io: Math.max(0, SECOND / ios - page) }
}
const READ_COST = coefficients(READ)
const WRITE_COST = coefficients(WRITE)

/** The bytes that a device moves in a time, by the model. */
export function bytesIn(time: Ns): Bytes {
  return (time * READ.bytes) / SECOND
}

export function costOf({ operation, length }: Pick<Bio, 'operation' | 'length'>): Ns {
  if (operation === 'read') return READ_COST.io + Math.max(1, length / PAGE) * READ_COST.page
  if (operation === 'write') return WRITE_COST.io + Math.max(1, length / PAGE) * WRITE_COST.page
  // A flush moves nothing, and occupies a device as a small request does.
  return READ_COST.io + READ_COST.page
}
