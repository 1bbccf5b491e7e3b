/** geotiff's opening of a source, with the source as what it asks of one: its own type wants a subclass. */
import { GeoTIFF } from 'geotiff'
import type { GeotiffSource } from './geotiff-source.ts'

export const fromSource = (source: GeotiffSource): Promise<GeoTIFF> =>
  GeoTIFF.fromSource(source as unknown as Parameters<typeof GeoTIFF.fromSource>[0])
