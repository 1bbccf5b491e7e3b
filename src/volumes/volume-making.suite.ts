/**
 * A process that does one thing with a volume, and says when it begins, so that it can be killed while it does.
 *
 *     node volume-making.suite.ts create VOLUME · get VOLUME TARGET · put VOLUME
 */
import { Machine } from '../map/index.ts'

const [what, volume = '', target = ''] = process.argv.slice(2)
const machine = await Machine.start({ memory: '4 MiB' })
if (what === 'create') {
  console.log('begins')
  await (await machine.createVolume(volume, { size: '8 MiB' })).close()
} else {
  const opened = await machine.openVolume(volume, { mode: 'r+' })
  console.log('begins')
  if (what === 'get') await opened.getFile('/a', target)
  else await opened.put(new Uint8Array(2 ** 21).fill(9), '/new')
  await opened.close()
}
await machine.close()
