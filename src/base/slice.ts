/**
 * How much one attempt of a long call may still do, in pages. What goes over a range keeps its place, takes what its
 * slice allows, and lets others go first before the next: an attempt ends soon, however long the range is.
 */
export interface Slice {
  left: number
}

/** Pages that one attempt changes at most: a fraction of a millisecond. */
export const SLICE_PAGES = 256
