/**
 * What a person looks at: a report of plain data as one self-contained page, and its timelines as a Perfetto trace.
 *
 *     renderPage(report)           -> the text of an .html file
 *     perfettoTrace(timelines)     -> the chunks of a .perfetto-trace file
 */
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
export { renderPage } from './page.ts'
export { perfettoTrace } from './perfetto.ts'
