/**
 * Every message that the doors can say, as patterns: read out of the sources, so that none can be added unseen.
 *
 * A message is what `new FaultlineError(code, operation, message)`, `invalid(operation, message)` or
 * `new SettingError(code, message)` is given, where that is text; what is put into it (`${…}`) may be anything.
 */
import { globSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import type * as TypeScript from 'typescript'

// The TypeScript of this folder has an API; the one that checks the sources has none.
const ts = createRequire(import.meta.url)('typescript') as typeof TypeScript

export interface Message {
  readonly file: string
  readonly line: number
  /** As it stands in the source, `…` for what is put in. */
  readonly text: string
  readonly pattern: RegExp
}

/** Where the message is among the arguments. */
const SAYERS: Readonly<Record<string, number>> = { FaultlineError: 2, invalid: 1, SettingError: 1 }
const DOORS = ['calls', 'files', 'volumes', 'map', 'uffd', 'group', 'store', 'host', 'linux']
/** Shorter texts than this match anything. */
const WORDS_MIN = 8

export function messagesOf(root: string): Message[] {
  const files = globSync(`src/{${DOORS.join(',')}}/**/*.ts`, { cwd: root }).filter(
    path => !/\.(test|suite)\.ts$/.test(path),
  )
  return files.sort().flatMap(file => messagesIn(file, readFileSync(join(root, file), 'utf8')))
}

export function messagesIn(file: string, text: string): Message[] {
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true)
  const found: Message[] = []
  const visit = (node: TypeScript.Node): void => {
    if ((ts.isNewExpression(node) || ts.isCallExpression(node)) && ts.isIdentifier(node.expression)) {
      const place = SAYERS[node.expression.text]
      const argument = place === undefined ? undefined : node.arguments?.[place]
      if (argument !== undefined)
        for (const parts of textsOf(argument)) {
          if (parts.join('').length < WORDS_MIN) continue
          const line = source.getLineAndCharacterOfPosition(argument.getStart()).line + 1
          found.push({ file, line, text: parts.join('…'), pattern: patternOf(parts) })
        }
    }
    ts.forEachChild(node, visit)
  }
  visit(source)
  return found
}

/** The fixed parts of a text, or of each that it may be. */
function textsOf(node: TypeScript.Expression): string[][] {
  if (ts.isParenthesizedExpression(node)) return textsOf(node.expression)
  if (ts.isStringLiteral(node) || ts.isNoSubstitutionTemplateLiteral(node)) return [[node.text]]
  if (ts.isTemplateExpression(node))
    return [[node.head.text, ...node.templateSpans.map(({ literal }) => literal.text)]]
  if (ts.isConditionalExpression(node)) return [...textsOf(node.whenTrue), ...textsOf(node.whenFalse)]
  return []
}

function patternOf(parts: readonly string[]): RegExp {
  const fixed = parts.map(part => part.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&'))
  return new RegExp(`^${fixed.join('[\\s\\S]*')}$`)
}
