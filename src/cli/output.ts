/**
 * Files that commands write beside what they read: looked at before anything is read or played, and whole or not there at all.
 *
 * Invariants
 *   OU1  What a command reads is never written: an output that is an input, by whatever name, is refused, and so are two
 *        outputs that are one file.
 *   OU2  A regular file appears under its name when all of it is written; what ends the command before leaves what was there.
 */
import fs from 'node:fs'
import { dirname, resolve } from 'node:path'
import { codeOf, FaultlineError, messageOf } from '../base/index.ts'
import { nameBeside } from '../host/index.ts'
import { WrongWords } from './words.ts'

/** The path that each option names, if it was said. */
type Outputs = Readonly<Record<string, string | undefined>>

/** Throws unless every output can be written without loss of an input. */
export function checkOutputs(outputs: Outputs, inputs: readonly (string | undefined)[]): void {
  const read = inputs.filter(path => path !== undefined)
  const before: { readonly option: string; readonly path: string }[] = []
  for (const [option, path] of Object.entries(outputs)) {
    if (path === undefined) continue
    if (path === '') throw new WrongWords(`${option}: expected the name of a file, got ''`)
    const input = read.find(each => isSame(each, path))
    if (input !== undefined) {
      const where = input === path ? path : `${path} is ${input}, which`
      throw new WrongWords(`${option}: ${where} is read by this command, and stays; name another file`)
    }
    const twin = before.find(each => isSame(each.path, path))
    if (twin !== undefined)
      throw new WrongWords(`${option}: ${path} is the file of ${twin.option} too; name another file`)
    before.push({ option, path })
    told(path, () => {
      if (fs.statSync(path, { throwIfNoEntry: false })?.isDirectory() === true)
        throw Object.assign(new Error('it is a directory'), { code: 'EISDIR' })
      fs.accessSync(dirname(path), fs.constants.W_OK)
    })
  }
}

/** Pipes and devices are written as they are. */
export function writeOutput(path: string, chunks: Iterable<string | Uint8Array>): void {
  told(path, () => {
    const stat = fs.statSync(path, { throwIfNoEntry: false })
    // What lies there may be a file that our own output goes to.
    if ((stat !== undefined && !stat.isFile()) || /^\/(dev|proc)\//.test(path)) {
      writeTo(fs.openSync(path, 'w'), chunks)
      return
    }
    const place = stat === undefined ? path : fs.realpathSync(path)
    const beside = nameBeside(place, `.${process.pid}.part`)
    try {
      writeTo(fs.openSync(beside, 'w', (stat?.mode ?? 0o666) & 0o777), chunks)
      fs.renameSync(beside, place)
    } catch (error) {
      fs.rmSync(beside, { force: true })
      throw error
    }
  })
}

function writeTo(fd: number, chunks: Iterable<string | Uint8Array>): void {
  try {
    for (const chunk of chunks) fs.writeFileSync(fd, chunk)
  } finally {
    fs.closeSync(fd)
  }
}

/** By inode; what isn't there yet, by path. */
function isSame(one: string, other: string): boolean {
  if (resolve(one) === resolve(other)) return !isDevice(one)
  const [a, b] = [one, other].map(path => fs.statSync(path, { bigint: true, throwIfNoEntry: false }))
  return a !== undefined && b !== undefined && a.isFile() && a.dev === b.dev && a.ino === b.ino
}

/** /dev/null, /dev/stdout on a terminal: any number of outputs can go there. */
function isDevice(path: string): boolean {
  return fs.statSync(path, { throwIfNoEntry: false })?.isCharacterDevice() === true
}

function told<T>(path: string, act: () => T): T {
  try {
    return act()
  } catch (error) {
    const code = codeOf(error)
    if (code === undefined) throw error
    throw new FaultlineError(
      code,
      'write',
      `${path} can't be written: ${messageOf(error)}; name a file in a folder that exists`,
      error,
    )
  }
}
