/**
 * Buffer.indexOf over a file that is bigger than the memory it may have: where does a text occur?
 *
 *     node examples/search.ts FILE TEXT
 *
 * Node searches in C++, straight in the mapping: it stops at missing pages like any other reader.
 */
import { isMainThread } from 'node:worker_threads'
import { answer, argumentsFor, inWorker } from './mapped.ts'

if (isMainThread) {
  const [path, text] = argumentsFor('FILE', 'TEXT')
  const { answer: places, facts } = await inWorker<number[]>(import.meta.url, path, 'sequential', text)
  for (const place of places) console.log(place)
  console.error(JSON.stringify(facts))
} else {
  answer((bytes, text: string) => {
    const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
    const places: number[] = []
    for (let at = buffer.indexOf(text); at !== -1; at = buffer.indexOf(text, at + 1)) places.push(at)
    return places
  })
}
