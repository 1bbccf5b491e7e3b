/** Archives of PMTiles 3 (github.com/protomaps/PMTiles, spec/v3): a header, one directory, metadata, tiles; nothing is compressed. */

/** In the order of PMTiles' tile numbers: zoom 0, then the Hilbert curve of each zoom, without gaps. */
export function pmtilesArchive(tiles: readonly Uint8Array[], zooms: number): Uint8Array {
  const lengths = tiles.map(({ length }) => length)
  const directory = Buffer.from([
    ...varint(tiles.length),
    ...tiles.flatMap((_, at) => varint(at === 0 ? 0 : 1)), // numbers, each from the one before
    ...tiles.flatMap(() => varint(1)), // run lengths
    ...lengths.flatMap(varint),
    ...tiles.flatMap((_, at) => varint(at === 0 ? 1 : 0)), // offsets: 0 is behind the one before, others are one more
  ])
  const metadata = Buffer.from('{}')
  const rootAt = 127
  const metadataAt = rootAt + directory.length
  const dataAt = metadataAt + metadata.length
  const dataLength = lengths.reduce((sum, length) => sum + length, 0)
  const header = Buffer.alloc(rootAt)
  header.write('PMTiles')
  header[7] = 3
  const sections = [rootAt, directory.length, metadataAt, metadata.length, dataAt, 0, dataAt, dataLength]
  const counts = [tiles.length, tiles.length, tiles.length]
  for (const [at, value] of [...sections, ...counts].entries())
    header.writeBigUInt64LE(BigInt(value), 8 + 8 * at)
  header.set([1, 1, 1, 1, 0, zooms - 1], 96) // clustered, uncompressed inside and in tiles, vector tiles, zooms
  return new Uint8Array(Buffer.concat([header, directory, metadata, ...tiles]))
}

function varint(value: number): number[] {
  return value < 128 ? [value] : [(value & 127) | 128, ...varint(value >>> 7)]
}
