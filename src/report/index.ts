/**
 * What a person looks at: a report of plain data as one self-contained page, and its timelines as a Perfetto trace.
 *
 *     renderPage(report)           -> the text of an .html file
 *     perfettoTrace(timelines)     -> the chunks of a .perfetto-trace file
 *     renderContent, style, startTimelines, startTheme    the same within a page that has more
 */
export type { Browser } from './client/browser.ts'
export { startTheme, startTimelines } from './client/start.ts'
export type {
  Arrow,
  Bars,
  Cell,
  Chains,
  Column,
  Counter,
  HeatCell,
  Heatmap,
  Latency,
  LatencySeries,
  Marker,
  Report,
  Row,
  Section,
  Span,
  SpanKind,
  Stall,
  Table,
  Text,
  Timeline,
} from './model.ts'
export { renderContent, renderPage } from './page.ts'
export { perfettoTrace } from './perfetto.ts'
export { style } from './style.ts'
