/** Files in formats that are read by ranges, made by the libraries that write them, or by hand from the format's page. */
import { writeArrayBuffer } from 'geotiff'
import { parquetWriteBuffer } from 'hyparquet-writer'
import * as zarr from 'zarrita'
import { pmtilesArchive } from '../bench/archive.ts'

export const ROWS = Array.from({ length: 5000 }, (_, at) => ({ id: at, name: `row ${at}`, half: at / 2 }))

/** Row groups of 1000 rows. */
export function parquetFile(): Uint8Array {
  const column = <Key extends keyof (typeof ROWS)[number]>(name: Key) => ROWS.map(row => row[name])
  return new Uint8Array(
    parquetWriteBuffer({
      columnData: [
        { name: 'id', data: Int32Array.from(column('id')), type: 'INT32' },
        { name: 'name', data: column('name'), type: 'STRING' },
        { name: 'half', data: column('half'), type: 'DOUBLE' },
      ],
      rowGroupSize: 1000,
    }),
  )
}

const values = new Uint8Array(64 * 48).map((_, at) => (at * 13) & 0xff)
export const TIFF = { width: 64, height: 48, values }

export function raster(): Uint8Array {
  const { width, height } = TIFF
  return new Uint8Array(writeArrayBuffer(values, { width, height, BitsPerSample: [8], SamplesPerPixel: 1 }))
}

type Zxy = readonly [z: number, x: number, y: number]

/** In the order of PMTiles' tile numbers: zoom 0, then the Hilbert curve of zoom 1. */
export const TILES: readonly (readonly [Zxy, Uint8Array])[] = (
  [
    [0, 0, 0],
    [1, 0, 0],
    [1, 0, 1],
    [1, 1, 1],
    [1, 1, 0],
  ] as const
).map((zxy, at) => [zxy, new Uint8Array(1000 + at * 100).fill(at + 1)] as const)

export function pmtilesFile(): Uint8Array {
  return pmtilesArchive(
    TILES.map(([, bytes]) => bytes),
    2,
  )
}

/** An array of 10 by 20 numbers in chunks of 3 by 7. */
export async function zarrFiles(): Promise<{ files: Map<string, Uint8Array>; values: number[] }> {
  const files = new Map<`/${string}`, Uint8Array>()
  const shape = [10, 20]
  const array = await zarr.create(zarr.root(files), { shape, chunkShape: [3, 7], dtype: 'float64' })
  const values = Array.from({ length: 200 }, (_, at) => at * 1.5)
  await zarr.set(array, null, { data: Float64Array.from(values), shape, stride: [20, 1] })
  return { files, values }
}
