/**
 * What POSIX says of each call, asked of filesystems: in a directory of each, as root.
 *
 *     node src/posix/main.ts [--json] DIRECTORY …
 *
 * Ends with 1 if an answer isn't the one that is wanted, and isn't known and explained (differences.ts).
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { differences, filesystemOf } from './differences.ts'
import { askAll } from './suite.ts'

const words = process.argv.slice(2)
const isJson = words.includes('--json')
const told = words
  .filter(word => !word.startsWith('--'))
  .map(directory => {
    const base = mkdtempSync(join(directory, 'posix-'))
    try {
      const asked = askAll(base)
      const filesystem = filesystemOf(base)
      return { directory, filesystem, asked: asked.length, ...differences(asked, filesystem) }
    } finally {
      rmSync(base, { recursive: true, force: true })
    }
  })
if (isJson) process.stdout.write(`${JSON.stringify(told)}\n`)
else
  for (const { directory, filesystem, asked, explained, wrong } of told) {
    for (const { name, wanted, got } of wrong)
      console.log(`${directory}: ${name}: wanted ${wanted}, got ${got}`)
    for (const { name, got, reason } of explained) console.log(`${directory}: ${name}: got ${got}: ${reason}`)
    console.log(
      `${directory} (${filesystem}): ${asked} questions, ${wrong.length} wrong, ${explained.length} known`,
    )
  }
if (told.some(({ wrong }) => wrong.length > 0)) process.exitCode = 1
