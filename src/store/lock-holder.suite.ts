/**
 * A process that takes the lock of a volume, says how that went, and has it until its standard input ends.
 *
 *     node lock-holder.suite.ts VOLUME r|r+ [koffi] [flock]       without these
 */
import Module from 'node:module'
import { FileLock, placeOf, VolumeLock } from './index.ts'

const [directory = '', mode, ...without] = process.argv.slice(2)
if (without.includes('koffi')) {
  const loader = Module as unknown as { _resolveFilename: (name: string, ...rest: unknown[]) => string }
  const resolve = loader._resolveFilename
  loader._resolveFilename = (name, ...rest) => {
    if (name === 'koffi') throw Object.assign(new Error('hidden'), { code: 'MODULE_NOT_FOUND' })
    return resolve(name, ...rest)
  }
}
if (without.includes('flock')) process.env['PATH'] = ''
if (without.includes('root')) process.setuid!(65_534)
try {
  const place = placeOf(directory)
  const { kept } = await FileLock.take(import.meta.filename, 'shared')
  await VolumeLock.take(place, mode === 'r' ? 'r' : 'r+')
  console.log(`taken, kept ${kept}`)
  process.stdin.resume()
} catch (error) {
  console.log(String(error))
}
