/**
 * The page's script, as text: the functions of client/ themselves, written out by `Function.prototype.toString`.
 *
 * So one source is type-checked, tested in Node and run in the page, and it makes no difference whether it runs from
 * stripped TypeScript or from compiled JavaScript: either way the engine gives back the text that it runs.
 *
 * Invariants
 *   JS1  Every function of client/ is in the list, so that whatever one of them names is there too.
 *   JS2  The text can't close its own element: it holds no `</script` and no `<!--`.
 */
import { createHash } from 'node:crypto'
import { assert } from '../base/index.ts'
import { followChain, mainArrow, stallOf, stateOf, tellChain } from './client/chain.ts'
import { listenToHands } from './client/gestures.ts'
import { mixInks } from './client/inks.ts'
import { fitText, paintLane } from './client/lane.ts'
import { isShown, layOut } from './client/layout.ts'
import { paintArrows, paintCounter, paintGrid, paintName, paintRow, paintScene } from './client/paint.ts'
import { show } from './client/quantity.ts'
import { startPage, startTheme, startTimelines } from './client/start.ts'
import { firstAbove, kindNames, nextWait, spanWithin, unpackLane, unpackTrack } from './client/track.ts'
import { makeView, setView, tickStep, tickText, zoomView } from './client/view.ts'
import { startTimeline } from './client/widget.ts'

const PARTS: readonly ((...values: never[]) => unknown)[] = [
  show,
  kindNames,
  unpackTrack,
  unpackLane,
  firstAbove,
  spanWithin,
  nextWait,
  followChain,
  mainArrow,
  stateOf,
  stallOf,
  tellChain,
  makeView,
  setView,
  zoomView,
  tickStep,
  tickText,
  layOut,
  isShown,
  mixInks,
  paintLane,
  fitText,
  paintScene,
  paintGrid,
  paintName,
  paintRow,
  paintCounter,
  paintArrows,
  listenToHands,
  startTimeline,
  startTimelines,
  startTheme,
  startPage,
]

export function scriptText(): string {
  const functions = PARTS.map(part => part.toString().replace(/[ \t]+$/gm, '')).join('\n\n')
  const text = `'use strict';\n(() => {\n${functions}\n\nstartPage(globalThis)\n})()\n`
  assert(!/<\/script|<!--/i.test(text), 'JS2 the script would close its own element')
  return text
}

/** The script's hash, as a content security policy names it. */
export function scriptHash(): string {
  return `sha256-${createHash('sha256').update(scriptText()).digest('base64')}`
}
