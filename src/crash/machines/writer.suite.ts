/**
 * The process that writes to a volume of many machines, and is killed, stopped and overtaken. Round n: every page of a file says
 * n and who wrote it, and a name says n; then all is synced, in one commit. So whatever is of another round, or of another writer,
 * shows in whatever a reader finds.
 *
 *     node writer.suite.ts META ENDPOINT VOLUME        "o" open · "b<n>" round n begins · "s<n>" it is promised · "e<code>" over, by an error
 */
import { FaultlineError } from '../../calls/index.ts'
import { Machine } from '../../map/index.ts'
import { FILES, PAGE, PAGES, roundOf } from './rounds.suite.ts'

const [, , meta, endpoint, name] = process.argv
const say = (line: string) => process.stdout.write(`${line}\n`)

const machine = await Machine.start({ memory: '8 MiB' })
try {
  const volume = await machine.openVolume(name!, { meta: meta!, endpoint: endpoint!, mode: 'r+' })
  const space = machine.space({ name: 'writer' })
  const open = await Promise.all(FILES.map(path => volume.open(path, { mode: 'r+' })))
  const maps = await Promise.all(open.map(file => space.map(file, { prot: 'rw' })))
  say('o')
  for (let n = (await roundOf(volume)) + 1; ; n++) {
    say(`b${n}`)
    const bytes = new Uint8Array(PAGE)
    new Uint32Array(bytes.buffer).fill(n)
    new Uint32Array(bytes.buffer).fill(process.pid, PAGE / 8)
    for (const [at, map] of maps.entries())
      for (let page = 0; page < PAGES; page++)
        if (page % 2 === 0) await map.run(view => view.write(page * PAGE, bytes))
        else await open[at]!.write(bytes, page * PAGE)
    await volume.rename(`/round ${n - 1}`, `/round ${n}`)
    await volume.sync()
    say(`s${n}`)
  }
} catch (error) {
  say(`e${error instanceof FaultlineError ? error.code : String(error)}`)
  process.exit(1)
}
