/** The page as the installed package makes it: this room compiled to JavaScript, and run by an engine of its own. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import type { Report } from './model.ts'

export function compiledPage(report: Report): string {
  const root = resolve(import.meta.dirname, '../..')
  const out = mkdtempSync(join(tmpdir(), 'faultline-report-'))
  const config = {
    extends: join(root, 'tsconfig.build.json'),
    compilerOptions: {
      rootDir: join(root, 'src'),
      outDir: out,
      declaration: false,
      typeRoots: [join(root, 'node_modules/@types')],
    },
    include: [join(root, 'src/report')],
  }
  try {
    writeFileSync(join(out, 'tsconfig.json'), JSON.stringify(config))
    execFileSync(join(root, 'node_modules/.bin/tsc'), ['-p', out], { stdio: 'pipe' })
    writeFileSync(join(out, 'package.json'), '{"type":"module"}')
    writeFileSync(join(out, 'report.json'), JSON.stringify(report))
    const code = `
      import { readFileSync } from 'node:fs'
      import { renderPage } from './report/index.js'
      process.stdout.write(renderPage(JSON.parse(readFileSync('report.json', 'utf8'))))`
    return execFileSync(process.execPath, ['--input-type=module', '-e', code], {
      cwd: out,
      encoding: 'utf8',
      maxBuffer: 2 ** 28,
    })
  } finally {
    rmSync(out, { recursive: true })
  }
}
