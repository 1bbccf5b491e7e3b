/**
 * A place on this computer that keeps parts of files which never change, beyond the life of a process.
 *
 * Invariants
 *   KP1 What `get` gives is what was put for that very part, byte for byte.
 *   KP2 None throws: what can't be kept, or is damaged, isn't there.
 */
export interface Keep {
  /** Part `chunk` of the file; undefined: it isn't there. */
  get(key: string, chunk: number): Promise<Uint8Array | undefined>
  /** Nobody waits for it. The bytes are the place's from now on. */
  put(key: string, chunk: number, bytes: Uint8Array): void
  /** Settles when what was put by now is kept, or never will be. */
  settled(): Promise<void>
}

/** The same, for files whose keys are unique below a place. */
export function below(keep: Keep, place: string): Keep {
  return {
    get: (key, chunk) => keep.get(`${place}/${key}`, chunk),
    put: (key, chunk, bytes) => keep.put(`${place}/${key}`, chunk, bytes),
    settled: () => keep.settled(),
  }
}
