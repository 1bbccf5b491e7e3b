/**
 * Files and volumes in the forms that other libraries take: `import { asyncBuffer } from 'faultline/adapters'`.
 *
 * Structural types only: nothing of those libraries is imported. Local files, files on servers and files of volumes all do.
 *
 * @module
 */
export { type AsyncBuffer, asyncBuffer } from './async-buffer.ts'
export { blob, type FileBlob } from './file-blob.ts'
export { type GeotiffSource, geotiffSource } from './geotiff-source.ts'
export { type PmtilesSource, pmtilesSource } from './pmtiles-source.ts'
export type { ReadableFile } from './readable-file.ts'
export { type DirectoryOfFiles, type ZarrStore, zarrStore } from './zarr-store.ts'
