/**
 * The page `faultline.html` around its programs: what is there before a script has run, and what it may do.
 *
 * Invariants
 *   WB1 The page sends nothing: its policy names one script by its hash, workers made of its own text, and no address. Served by
 *       `faultline observe open` it may also ask that very server.
 */
export interface Parts {
  /** The page's script and its worker's, as text. */
  readonly main: string
  readonly worker: string
  /** As a policy names it: sha256-... */
  readonly mainHash: string
  readonly style: string
  /** Plain data for the script, by the id of its element. */
  readonly data: Readonly<Record<string, unknown>>
}

/** What `observe open` puts its files' names into. */
export const SERVED = '<script type="application/json" id="served">[]</script>'
export const CONNECTS = "connect-src 'none'"

const LOOK = `
[role=tablist] { display: flex; gap: .5rem; margin: 1.6rem 0 0; border-bottom: 1px solid var(--line) }
[role=tab] { border: 0; border-bottom: 3px solid transparent; border-radius: 0; background: none; font-size: 1rem; padding: .5rem .9rem }
[role=tab][aria-selected=true] { border-bottom-color: var(--accent); font-weight: 600 }
main > section { margin-top: 1.6rem }
.drop { border: 2px dashed var(--line); border-radius: 10px; padding: 1.1rem 1.2rem; background: var(--card) }
.drop.over { border-color: var(--accent); background: var(--faint) }
.drop p { margin: 0 0 .7rem }
.field { display: block; margin: .8rem 0 0 }
textarea { display: block; width: 100%; margin-top: .3rem; font: .84rem/1.45 var(--mono); color: inherit; background: var(--card); border: 1px solid var(--line); border-radius: 7px; padding: .6rem .7rem; overflow-wrap: normal; white-space: pre; overflow: auto }
.row { display: flex; flex-wrap: wrap; gap: .6rem 1.1rem; align-items: center; margin: .9rem 0 0 }
.row label { display: flex; flex-wrap: wrap; align-items: center; gap: .4rem }
.row input[type=number] { width: 7rem } .row select, .row input { max-width: 100% }
.row input[type=checkbox] { min-height: 0 }
.going { margin: 1.2rem 0 0; padding: .8rem 1rem; background: var(--faint); border-radius: 8px }
progress { width: min(100%, 24rem); accent-color: var(--accent) }
#traces-result:focus { outline: none }
.trouble { color: var(--worst); font-weight: 600 }
.trouble:empty { display: none }
.doubts p { border-left: 3px solid var(--worst); padding-left: .8rem }
td.says { white-space: normal; min-width: 16rem }
.steps { padding-left: 2rem; max-width: 52rem } .steps li { margin: .1rem 0 }
.steps button { white-space: normal; text-align: left; border-color: transparent; background: none; width: 100% }
.steps button[aria-current=true] { background: var(--faint); border-color: var(--line); font-weight: 600 }
@media (max-width: 40rem) { header, main, footer { padding: 0 1rem } header { padding-top: 1.4rem } }
`

export function shell({ main, worker, mainHash, style, data }: Parts): string {
  const policy = `default-src 'none'; script-src '${mainHash}'; worker-src blob:; ${CONNECTS}; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'`
  const blocks = Object.entries(data).map(
    ([id, value]) => `<script type="application/json" id="${id}">${json(value)}</script>`,
  )
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="generator" content="faultline">
<title>Faultline: who made whom wait</title>
<link rel="icon" href="data:,">
<style>${style}${LOOK}</style>
</head>
<body>
<a class="skip" href="#content">Skip to the content</a>
<header>
<div class="mast"><h1>Faultline</h1><button type="button" class="theme" hidden></button></div>
<div role="tablist" aria-label="What to do">
<button type="button" role="tab" id="tab-traces" aria-controls="traces" aria-selected="true">A trace of yours</button>
<button type="button" role="tab" id="tab-lab" aria-controls="lab" aria-selected="false" tabindex="-1">The lab</button>
</div>
</header>
<main id="content">
<noscript><p>This page reads traces by its script, and the browser runs none.</p></noscript>
<section id="traces" role="tabpanel" aria-labelledby="tab-traces">
<h2>Who made whom wait for mmap_lock?</h2>
<p>Give it what you have: the text of tracefs, <code>perf script</code> or <code>trace-cmd report</code>, a <code>trace.dat</code> or
<code>perf.data</code>, a systrace, a report of hung tasks, stacks from <code>/proc</code>; packed or pasted, as it is. It is read here, in
this browser, and nothing is sent anywhere: the page's own policy forbids it.</p>
<div class="drop" id="traces-drop">
<p>Drop files here, paste anywhere, or</p>
<label>choose files <input type="file" id="traces-files" multiple></label>
<label class="field">or put a text here
<textarea id="traces-text" rows="4" spellcheck="false" autocomplete="off"></textarea></label>
<div class="row"><button type="button" id="traces-read">Read the text</button></div>
</div>
<div class="row" id="traces-examples"><span>Examples:</span></div>
<details><summary>How it is read</summary><div class="row">
<label>shortest wait to tell, ms <input type="number" id="traces-threshold" min="0.001" step="any" value="50"></label>
<label>ticks a second, for clocks without a point <input type="number" id="traces-clock" min="1" step="any"></label>
<label>/proc/kallsyms, for a perf.data <input type="file" id="traces-kallsyms"></label>
</div></details>
${going('traces')}
<div id="traces-result" tabindex="-1" hidden>
<p class="lead" id="traces-read-of"></p>
<div class="doubts" id="traces-doubts"></div>
<div class="row">
<label>What if the locks had been those of <select id="traces-discipline"><option value="">the kernel that was traced</option></select></label>
<button type="button" id="traces-report">Download the report</button>
<button type="button" id="traces-json">Download as JSON</button>
<button type="button" id="traces-perfetto">Open in Perfetto</button>
<button type="button" id="traces-pftrace">Download for Perfetto</button>
</div>
<div id="traces-content"></div>
</div>
</section>
<section id="lab" role="tabpanel" aria-labelledby="tab-lab" hidden>
<h2>Every interleaving of a few tasks</h2>
<p>A scenario is a handful of tasks on a small machine. The lab runs them in every order, on the engine itself, under the designs of
the page fault that are argued about, and shows how somebody comes to wait for I/O that isn’t theirs.</p>
<div class="row">
<label>Scenario <select id="lab-scenario"></select></label>
<label>Discipline <select id="lab-discipline"><option value="">all</option></select></label>
</div>
<label class="field">as YAML, to be edited
<textarea id="lab-yaml" rows="16" spellcheck="false" autocomplete="off"></textarea></label>
<div class="row"><button type="button" id="lab-explore">Explore</button></div>
<h2>The same designs in simulated time</h2>
<div class="row">
<label>Workload <select id="lab-workload"></select></label>
<button type="button" id="lab-compare">Compare</button>
</div>
<p class="lead" id="lab-about"></p>
<fieldset class="row" id="lab-compared"><legend>Under</legend></fieldset>
${going('lab')}
<div id="lab-explored"></div>
<div id="lab-replay" hidden>
<h2 id="lab-replay-title"></h2>
<div class="row"><button type="button" id="lab-previous">Previous step</button><button type="button" id="lab-next">Next step</button></div>
<ol class="steps" id="lab-steps"></ol>
<div class="wide" role="region" tabindex="0" aria-label="Every task after this step"><table>
<thead><tr><th scope="col">task</th><th scope="col">after this step</th><th scope="col">holds</th></tr></thead>
<tbody id="lab-standing"></tbody></table></div>
<ul id="lab-ends"></ul>
</div>
<div id="lab-result" hidden>
<div class="row"><button type="button" id="lab-report">Download this page</button></div>
<div id="lab-content"></div>
</div>
</section>
</main>
<footer><div>Made by <code>faultline</code>; this file needs nothing else.</div></footer>
${blocks.join('\n')}
${SERVED}
<script type="text/plain" id="worker">${closed(worker)}</script>
<script>${main}</script>
</body>
</html>
`
}

const going = (
  prefix: string,
): string => `<div class="going" id="${prefix}-going" hidden><div id="${prefix}-words" role="status"></div>
<progress id="${prefix}-bar" max="1" aria-labelledby="${prefix}-words"></progress>
<button type="button" id="${prefix}-cancel">Cancel</button></div>
<p class="trouble" id="${prefix}-trouble" role="alert"></p>`

/** A program whose text can't close its own element. */
export const closed = (program: string): string =>
  program.replace(/<(\/script|!--)/gi, (_, rest: string) => `\\x3c${rest}`)

/** Data whose text can't. */
export const json = (value: unknown): string => JSON.stringify(value).replaceAll('<', '\\u003c')
