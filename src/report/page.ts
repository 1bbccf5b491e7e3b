/**
 * A report as one HTML file that needs nothing else: style, script and data are inside.
 *
 *     the point, in a sentence -> the table -> the picture -> how to make it again
 *
 * Invariants
 *   PP1  The page loads nothing. Its content security policy says so to the browser: one script, known by its hash,
 *       and no address of any kind.
 *   PP2  Without a script every sentence and every number can be read.
 *   PP3  Nothing of the page but `.wide` boxes is wider than the window.
 */
import { renderBars, renderLatency } from './charts.ts'
import { type Html, html, prose, trusted } from './html.ts'
import { checkReport, type Report, type Section } from './model.ts'
import { scriptHash, scriptText } from './script.ts'
import { style } from './style.ts'
import { renderChains, renderHeatmap, renderTable, renderText } from './table.ts'
import { renderTimeline } from './timeline.ts'

export function renderPage(report: Report): string {
  checkReport(report)
  const script = scriptText()
  const policy = `default-src 'none'; script-src '${scriptHash()}'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'`
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="generator" content="faultline">
<title>${report.title}</title>
<link rel="icon" href="data:,">
<style>${style}</style>
</head>
<body>
<a class="skip" href="#content">Skip to the findings</a>
<header>
<div class="mast"><h1>${report.title}</h1><button type="button" class="theme" hidden></button></div>
${renderHead(report)}
</header>
<main id="content">${report.sections.map(renderSection)}</main>
<footer><div>Made by <code>${report.madeBy}</code></div></footer>
<script>${trusted(script)}</script>
</body>
</html>
`
  return page.text
}

/** The report without the page around it, for a page that has other things too: its style is `style`, its life `startTimelines`. */
export function renderContent(report: Report): string {
  checkReport(report)
  return html`${renderHead(report)}${report.sections.map(renderSection)}`.text
}

function renderHead(report: Report): Html {
  const [point = '', ...more] = report.sentences
  const links = report.sections.map(({ id, title }) => html`<li><a href="#${id}">${title}</a></li>`)
  return html`<p class="point">${prose(point)}</p>
${more.map(sentence => html`<p class="more">${prose(sentence)}</p>`)}
${links.length < 3 ? '' : html`<nav aria-label="Sections"><ul>${links}</ul></nav>`}`
}

function renderSection(section: Section): Html {
  const lead = section.lead === undefined ? '' : html`<p class="lead">${prose(section.lead)}</p>`
  return html`<section id="${section.id}" aria-labelledby="${section.id}-title">
<h2 id="${section.id}-title">${section.title}</h2>${lead}
${renderBody(section)}
</section>
`
}

function renderBody(section: Section): Html {
  switch (section.kind) {
    case 'text':
      return renderText(section)
    case 'table':
      return renderTable(section)
    case 'bars':
      return renderBars(section)
    case 'latency':
      return renderLatency(section)
    case 'heatmap':
      return renderHeatmap(section)
    case 'chains':
      return renderChains(section)
    case 'timeline':
      return renderTimeline(section)
  }
}
