#!/usr/bin/env node
/**
 * What the shell starts. It says which Node it needs, in words that any Node understands, and only then loads what an
 * older one couldn't parse: so it imports nothing, and uses nothing newer than `import()`.
 */

// `engines` of package.json; a test holds them together.
const WANTED = [22, 18] as const

const found = process.versions.node.split('.').map(Number)

if (found[0]! < WANTED[0] || (found[0] === WANTED[0] && found[1]! < WANTED[1])) {
  console.error(
    `faultline: this is Node ${process.versions.node}; faultline needs Node ${WANTED[0]}.${WANTED[1]} or later: https://nodejs.org`,
  )
  process.exitCode = 1
} else {
  void import('./main.ts')
}

export {}
