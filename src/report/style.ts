/**
 * The look of the page: one column of text at a reading width, wide things beside it where there is room.
 *
 * Colours are Okabe and Ito's, which people with any kind of colour vision tell apart; every meaning also has a second
 * sign: a pattern, a dash, a place or a word. Light and dark are one definition each, by `light-dark()`; the button only
 * sets `color-scheme`.
 */
import { type Html, trusted } from './html.ts'

export const style: Html = trusted(`
:root {
  color-scheme: light dark;
  --paper: light-dark(#fcfcfa, #15181c);
  --card: light-dark(#ffffff, #1b1f24);
  --ink: light-dark(#1c2127, #e6e9ec);
  --soft: light-dark(#58616b, #a3acb6);
  --line: light-dark(#e2e4e0, #2d333a);
  --faint: light-dark(#f2f3f0, #20252b);
  --accent: light-dark(#0a5c91, #74bdec);
  --best: light-dark(#0072b2, #56b4e9);
  --worst: light-dark(#b84f00, #f0913f);
  --heat: light-dark(#0a4f7d, #8fd0fa);
  --heat-ink: light-dark(#ffffff, #10161c);
  --running: #009e73;
  --holding: #e69f00;
  --waiting: #d55e00;
  --io: #56b4e9;
  --sleeping: light-dark(#b4bac0, #59616a);
  --on-span: #14181c;
  --series-0: light-dark(#0072b2, #56b4e9);
  --series-1: light-dark(#c25500, #f0883a);
  --series-2: light-dark(#00805d, #1fc596);
  --series-3: light-dark(#b0578c, #dd95bd);
  --series-4: light-dark(#b07900, #e9ac21);
  --series-5: light-dark(#2f8fc4, #a9dcfb);
  --series-6: light-dark(#1c2127, #e6e9ec);
  --sans: system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', 'Noto Sans', 'Liberation Sans', sans-serif;
  --mono: ui-monospace, 'SF Mono', 'Cascadia Mono', Menlo, Consolas, 'Liberation Mono', monospace;
}
* { box-sizing: border-box }
html { -webkit-text-size-adjust: 100%; scroll-padding-top: 1rem }
body {
  margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.6 var(--sans); font-variant-numeric: tabular-nums; overflow-wrap: anywhere;
}
[hidden] { display: none !important }
.unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap }
.skip { position: absolute; left: -999px }
.skip:focus { left: 1rem; top: .5rem; background: var(--card); padding: .3rem .8rem; z-index: 2 }
header, main, footer { max-width: 74rem; margin: 0 auto; padding: 0 2rem }
header { padding-top: 3.2rem }
.mast { display: flex; justify-content: space-between; align-items: start; gap: 1rem }
h1 { margin: 0; font-size: 1rem; font-weight: 600; color: var(--soft); letter-spacing: .01em }
.point { margin: .6rem 0 0; max-width: 52rem; font-size: clamp(1.32rem, .95rem + 1.55vw, 1.95rem); line-height: 1.34; font-weight: 600; letter-spacing: -.012em; text-wrap: pretty }
.more { margin: .9rem 0 0; max-width: 44rem; color: var(--soft); font-size: 1.06rem; text-wrap: pretty }
nav { margin: 1.8rem 0 0; padding: .7rem 0; border-block: 1px solid var(--line); font-size: .9rem }
nav ul { display: flex; flex-wrap: wrap; gap: .15rem 1.5rem; margin: 0; padding: 0; list-style: none }
a { color: var(--accent); text-decoration-thickness: 1px; text-underline-offset: .18em }
nav a { text-decoration: none }
nav a:hover { text-decoration: underline }
section { margin: 3.4rem 0 0 }
h2 { margin: 0 0 .2rem; font-size: 1.22rem; line-height: 1.35; font-weight: 640; letter-spacing: -.008em }
.lead { margin: 0 0 1rem; max-width: 44rem; color: var(--soft) }
section p { max-width: 44rem }
code { font: .88em/1.4 var(--mono); background: var(--faint); border-radius: 4px; padding: .08em .34em; overflow-wrap: anywhere }
.point code { font-size: .86em; font-weight: 500 }
footer { margin-top: 4.5rem; padding-top: 1.2rem; padding-bottom: 3rem; color: var(--soft); font-size: .9rem }
footer > div { border-top: 1px solid var(--line); padding-top: 1.2rem }
button, select, input { font: inherit; font-size: .9rem; color: inherit; background: var(--card); border: 1px solid var(--line); border-radius: 7px; padding: .28rem .7rem; min-height: 2.1rem }
button { cursor: pointer; white-space: nowrap }
.theme { flex: none }
button:hover { border-color: var(--soft) }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; border-radius: 4px }

.wide { overflow-x: auto; margin-top: 1rem; position: relative }
table { border-collapse: collapse; font-size: .94rem; line-height: 1.4; min-width: min(100%, 30rem); overflow-wrap: normal }
th, td { padding: .46rem .95rem; text-align: left; white-space: nowrap; unicode-bidi: isolate }
thead th { font-weight: 500; color: var(--soft); font-size: .86rem; vertical-align: bottom }
thead .group { text-align: center; color: var(--ink); font-weight: 600; padding-bottom: .1rem; position: relative }
thead .group::after { content: ''; position: absolute; left: .95rem; right: .95rem; bottom: 0; border-bottom: 1px solid var(--line) }
thead tr:last-child > * { border-bottom: 1px solid var(--soft) }
tbody tr + tr > * { border-top: 1px solid var(--line) }
tbody th { font-weight: 600; background: var(--paper) }
tr > :first-child { padding-left: 0; position: sticky; left: 0; background: var(--paper); z-index: 1 }
.right { text-align: right }
.none { color: var(--soft) }
.best > span:first-child { color: var(--best); font-weight: 650; border-bottom: 2px solid var(--best) }
.worst > span:first-child { color: var(--worst); font-weight: 650; border-bottom: 2px dashed var(--worst) }
.legend { display: flex; gap: .55rem; align-items: center; margin: .7rem 0 0; font-size: .84rem; color: var(--soft) }
.legend span { white-space: nowrap } .legend span:last-child { white-space: normal }
.ramp { flex: none; width: 9rem; height: .7rem; border-radius: 3px; background: linear-gradient(90deg in oklab, color-mix(in oklab, var(--heat) 4%, var(--card)), var(--heat)) }
.heat { border-collapse: separate; border-spacing: 3px; min-width: 100% }
.heat th, .heat tbody tr + tr > *, .heat thead tr:last-child > * { border: 0 }
.heat tbody th { font-weight: 500; white-space: normal; min-width: 9.5rem; padding-block: .2rem }
.heat thead th { text-align: center } .heat thead th:first-child { text-align: left }
.heat td { text-align: center; border-radius: 5px; padding: .42rem .5rem; min-width: 5.2rem; background: color-mix(in oklab, var(--heat) calc(4% + var(--share) * .96), var(--card)) }
.heat td.hot { color: var(--heat-ink) }
.heat td.none { background: repeating-linear-gradient(-45deg, transparent 0 5px, var(--line) 5px 6px) }
.heat td a { color: inherit }
details { margin-top: .8rem }
details .wide { max-height: min(70vh, 44rem); overflow: auto }
details .wide thead th { position: sticky; top: 0; background: var(--paper); z-index: 1 }
details .wide thead th:first-child { z-index: 2 }
summary { cursor: pointer; color: var(--soft); font-size: .9rem; width: fit-content }

.bars { display: grid; gap: .1rem; margin-top: 1.2rem; max-width: 56rem }
.bar, .bar-axis { display: grid; grid-template-columns: 9rem 1fr; gap: 1rem; align-items: center; font-size: .94rem }
.bar-name { font-weight: 600; line-height: 1.25 }
.bar-track, .bar-axis > span:last-child { position: relative; height: 1.95rem; margin-right: 5rem }
.bar-track::before { content: ''; position: absolute; inset: 50% 0 auto; border-top: 1px solid var(--line) }
.stem, .beam { position: absolute; left: 0; top: 50%; translate: 0 -50%; background: var(--accent); border-radius: 2px }
.stem { height: 2px }
.stem::after { content: ''; position: absolute; right: -6px; top: -5px; width: 12px; height: 12px; border-radius: 50%; background: var(--accent) }
.beam { height: 1.05rem }
.bar b { position: absolute; top: 50%; translate: 0 -50%; margin-left: .8rem; font-weight: 500; white-space: nowrap; background: var(--paper); padding: 0 .2rem; font-size: .9rem }
.bar-axis > span:last-child { height: 1.4rem }
.bar-axis i { position: absolute; top: 0; height: .35rem; border-left: 1px solid var(--soft) }
.bar-axis small { position: absolute; top: .35rem; translate: -50%; font-style: normal; color: var(--soft); font-size: .78rem; white-space: nowrap }

.plot { margin: 1.2rem 0 0; padding-left: 3.6rem; padding-right: 11rem; max-width: 60rem }
.plot-area { position: relative }
.plot svg { position: absolute; inset: 0; width: 100%; height: 100%; overflow: visible }
.plot polyline { fill: none; stroke: var(--series); stroke-width: 2; vector-effect: non-scaling-stroke; stroke-linejoin: round }
.rule { position: absolute; left: 0; right: 0; border-top: 1px solid var(--line) }
.rule small { position: absolute; right: calc(100% + .6rem); translate: 0 -50%; font-style: normal; color: var(--soft); font-size: .8rem; white-space: nowrap; line-height: 0 }
.dot { position: absolute; translate: -50% -50%; color: var(--series); font: 10px/1 var(--sans); text-shadow: 0 0 3px var(--paper) }
.end { position: absolute; left: calc(100% + .9rem); translate: 0 -50%; white-space: nowrap; font-size: .86rem; line-height: 1; font-weight: 600 }
.end i { color: var(--series); font-style: normal; font-size: .7rem }
.end small { color: var(--soft); font-weight: 400; font-size: .8rem }
.plot-foot { position: relative; height: 1.8rem; border-top: 1px solid var(--soft) }
.plot-foot small { position: absolute; white-space: nowrap; top: .4rem; translate: -50%; color: var(--soft); font-size: .82rem }

.chains { margin: 1rem 0 0; padding: 0 0 0 1.4rem; max-width: 52rem }
.chains li { margin: .35rem 0; padding-left: .3rem }
.chains li::marker { color: var(--soft) }
.stall { display: block; white-space: normal; width: 100%; text-align: left; border-color: transparent; background: none; font-size: 1rem; padding: .2rem .5rem; margin-left: -.5rem; line-height: 1.5 }
.stall:hover { background: var(--faint) }
.stall[aria-pressed='true'] { background: var(--faint); border-color: var(--line) }
.tools { display: flex; flex-wrap: wrap; gap: .6rem 1.2rem; align-items: center; margin: .9rem 0 0; font-size: .9rem; color: var(--soft) }
.tools label { display: flex; align-items: center; gap: .5rem }
.tools input { width: 9.5rem } .tools select { max-width: 12rem }
.tools input, .tools select, .tools button { color: var(--ink) }
.zoom { display: flex; margin-left: auto }
.zoom button { border-radius: 0; margin-left: -1px; min-width: 2.4rem }
.zoom button:first-child { border-radius: 7px 0 0 7px } .zoom button:last-child { border-radius: 0 7px 7px 0 }
.key { display: flex; flex-wrap: wrap; gap: .2rem 1.3rem; list-style: none; margin: .9rem 0 .6rem; padding: 0; font-size: .86rem; color: var(--soft) }
.key li { display: flex; align-items: center; gap: .45rem }
.swatch { width: 1.5rem; height: .8rem; border-radius: 2px; background-color: var(--running) }
.swatch.holding { height: .45rem; background-color: var(--holding) }
.swatch.waiting { background: repeating-linear-gradient(-45deg, #0000 0 3px, #0004 3px 5px), var(--waiting) }
.swatch.io { background: radial-gradient(circle, #0005 1px, #0000 1.4px) 0 0 / 5px 5px, var(--io) }
.swatch.sleeping { height: .25rem; background-color: var(--sleeping) }
.stage { position: relative; border: 1px solid var(--line); border-radius: 10px; background: var(--card) }
.stage .scroll { max-height: min(70vh, 44rem); overflow: hidden auto; border-radius: 10px; overscroll-behavior: auto }
canvas { position: sticky; top: 0; display: block; width: 100%; touch-action: pan-y; cursor: grab; border-radius: 10px }
canvas.drags { cursor: grabbing } canvas.points { cursor: pointer }
canvas:focus-visible { outline-offset: -2px; border-radius: 10px }
.tip { position: absolute; z-index: 3; pointer-events: none; max-width: min(22rem, 90%); background: var(--ink); color: var(--paper); font-size: .84rem; line-height: 1.4; padding: .4rem .7rem; border-radius: 7px }
.tip small { display: block; opacity: .75; font-size: .95em }
.hint { font-size: .84rem; color: var(--soft); margin: .5rem 0 0; max-width: none }
.told:not(:empty) { margin: .9rem 0 0; padding: .8rem 1.1rem; border-left: 3px solid var(--waiting); background: var(--faint); border-radius: 0 8px 8px 0; max-width: 56rem }
.told ol { margin: 0; padding-left: 1.2rem; color: var(--soft); font-size: .94rem }
.told b { color: var(--ink); font-weight: 600 }

@media (max-width: 700px) {
  header, main, footer { padding-left: 1.1rem; padding-right: 1.1rem }
  header { padding-top: 1.6rem }
  section { margin-top: 2.6rem }
  nav ul { flex-wrap: nowrap; overflow-x: auto } nav li { flex: none }
  nav { margin-top: 1.2rem; mask-image: linear-gradient(90deg, #000 88%, #0000) }
  th, td { padding: .42rem .6rem }
  .bar { grid-template-columns: 1fr; gap: 0; margin-bottom: .2rem }
  .bar-name { font-size: .88rem } .bar-track { height: 1.4rem }
  .bar-axis { grid-template-columns: 1fr } .bar-axis > span:first-child { display: none }
  .bar-axis i:nth-child(even) small { display: none }
  .plot { padding-left: 3.7rem; padding-right: 7.2rem }
  .plot-foot .close { display: none }
  .end small { display: none }
  .end { font-size: .8rem; left: calc(100% + .5rem) }
  .plot-foot small { font-size: .74rem }
  .zoom { margin-left: 0 }
}
@media print { .tools, .hint, .theme, nav { display: none !important } section { break-inside: avoid } }
@media (prefers-reduced-motion: no-preference) { html { scroll-behavior: smooth } }
`)
