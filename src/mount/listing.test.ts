/** Directories that are listed while they change: cursors, other listers, and many names. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Prng } from '../base/index.ts'
import { listMany } from './listing.suite.ts'
import { has, Mounted, unavailable } from './mounting.suite.ts'
import { Positions, ToldDirectories } from './positions.ts'

const skip = unavailable() ?? false
const python = skip || (has('python3') ? false : 'no python3 here')

/** readdir(3) and its cursors, whose calls Python hasn't. */
const DIR = `
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
for name, gives, takes in (('opendir', ctypes.c_void_p, [ctypes.c_char_p]), ('readdir', ctypes.c_void_p, [ctypes.c_void_p]), ('telldir', ctypes.c_long, [ctypes.c_void_p]), ('seekdir', None, [ctypes.c_void_p, ctypes.c_long]), ('closedir', ctypes.c_int, [ctypes.c_void_p])):
    call = getattr(libc, name); call.restype = gives; call.argtypes = takes
def read(d):
    entry = libc.readdir(d)
    return None if entry is None else ctypes.string_at(entry + 19).decode()
def rest(d):
    names = []
    while (name := read(d)) is not None: names.append(name)
    return names
for n in range(3000): open(f's{n:05d}', 'w').close()
`

const runPython = async (mounted: Mounted, script: string) => {
  const { status, out, err } = await mounted.run('python3', '-c', DIR + script)
  assert.equal(status, 0, err)
  return out
}

test('who lists from what another has listed loses no name when that is outdated', {
  skip: python,
}, async t => {
  const mounted = await Mounted.make(t, '16MiB')
  const out = await runPython(
    mounted,
    `
os.listdir('.'); os.listdir('.')
for gone, again in (('s02999', 'begun'), ('s00001', 'whole')):
    d = libc.opendir(b'.')
    names = [read(d) for _ in range(100)]
    os.unlink(gone)
    other = libc.opendir(b'.')
    if again == 'begun': read(other)
    else: rest(other)
    names += rest(d)
    libc.closedir(other); libc.closedir(d)
    there = set(os.listdir('.'))
    print(again, len(there), len(there - set(names)), len(names) - len(set(names)))
`,
  )
  assert.equal(out, 'begun 2999 0 0\nwhole 2998 0 0\n')
  assert.equal(await mounted.unmount(), 0)
})

test('a cursor stands where it stood, whatever comes and goes and is read again', {
  skip: python,
}, async t => {
  const mounted = await Mounted.make(t, '16MiB')
  const out = await runPython(
    mounted,
    `
d = libc.opendir(b'.')
cursors = []
while (name := read(d)) is not None: cursors.append((name, libc.telldir(d)))
for n in range(0, 3000, 7): os.unlink(f's{n:05d}')
for n in range(1, 3000, 7): open(f's{n:05d}x', 'w').close()
libc.seekdir(d, cursors[5][1]); rest(d)
lost = twice = back = 0
for name, where in cursors[8:2990:100]:
    os.unlink(os.listdir('.')[0])
    libc.seekdir(d, where)
    names = rest(d)
    stay = {x for x in os.listdir('.') if x > name and len(x) == 6}
    lost += len(stay - set(names)); twice += len(names) - len(set(names)); back += sum(x <= name for x in names)
print(lost, twice, back)
`,
  )
  // Names that were removed may be told as long as the kernel has them.
  assert.equal(out, '0 0 0\n')
  assert.equal(await mounted.unmount(), 0)
})

test('20,000 names are listed, walked and removed, and others go on meanwhile', { skip }, async t => {
  await listMany(t, 20_000)
})

test('DPO1, DPO2: a name keeps its position, and a position its name, in whatever order names come', () => {
  const chance = new Prng(1)
  const letters = ['a', 'b', 'Z', '%', ' ', 'ä', '\udcff', '.', '€']
  const positions = new Positions()
  const known = new Map<string, number>()
  for (let turn = 0; turn < 20_000; turn++) {
    const name = Array.from(
      { length: 1 + chance.below(4) },
      () => letters[chance.below(letters.length)]!,
    ).join('')
    const position = positions.of(name)
    assert.equal(known.get(name) ?? position, position, name)
    known.set(name, position)
    assert.equal(positions.nameAt(position), name)
  }
  assert.equal(new Set(known.values()).size, known.size)
  assert.equal(positions.size, known.size)
  assert.equal(positions.nameAt(known.size), undefined)
  assert.equal(positions.nameAt(2 ** 30 + known.size), undefined)
})

test('names in order take their own bytes and four more', () => {
  const positions = new Positions()
  for (let name = 0; name < 100_000; name++)
    assert.equal(positions.of(`n${String(name).padStart(6, '0')}`), name)
  assert.equal(positions.nameAt(77_777), 'n077777')
  assert.equal(positions.of('n077777'), 77_777)
})

test('a directory that is closed is known when it is opened again, unless it was large or many were opened since', () => {
  const told = new ToldDirectories()
  assert.equal(told.opened(1), 'new')
  const at = told.positions(1).of('a')
  assert.equal(told.opened(1), 'known')
  told.rewound(1)
  assert.equal(told.positions(1).nameAt(at), 'a', 'another opening may be in the midst of it')
  told.released(1)
  told.released(1)
  assert.equal(told.opened(1), 'known')
  assert.equal(told.positions(1).nameAt(at), 'a')
  told.rewound(1)
  assert.equal(told.positions(1).size, 0)
  for (let name = 0; name < 5000; name++) told.positions(1).of(String(name))
  told.released(1)
  assert.equal(told.opened(1), 'new')
  told.released(1)
  for (let ino = 2; ino < 2000; ino++) {
    told.opened(ino)
    told.released(ino)
  }
  assert.equal(told.opened(1), 'new')
  assert.equal(told.opened(1999), 'known')
})
