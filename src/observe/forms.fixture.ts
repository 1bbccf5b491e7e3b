/**
 * The forms that people's traces have: a trace as tracefs, perf script or trace-cmd wrote it, written as other tools, options
 * and habits would have.
 *
 * Each form keeps what the trace says, so the same chains must come of it; or it takes something away, and `without` says
 * what the account must say then.
 */
import { crc32, deflateRawSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib'

export type Tool = 'tracefs' | 'perf' | 'trace-cmd'

export interface Form {
  readonly name: string
  readonly of: readonly Tool[]
  readonly write: (text: string) => Buffer
  readonly clockHz?: number
}

const ANY: readonly Tool[] = ['tracefs', 'perf', 'trace-cmd']

const ISO = '2026-11-28T15:42:01.123456789Z'

const lines = (change: (line: string, at: number) => string) => (text: string) =>
  text.replace(/\n$/, '').split('\n').map(change).join('\n').concat('\n')
const asText = (change: (text: string) => string) => (text: string) => Buffer.from(change(text), 'latin1')

export const SAME: readonly Form[] = [
  { name: 'quoted in a mail', of: ANY, write: asText(lines(line => `> ${line}`)) },
  { name: 'quoted twice', of: ANY, write: asText(lines(line => `> > ${line}`)) },
  { name: 'indented for markdown', of: ANY, write: asText(lines(line => `    ${line}`)) },
  { name: 'in a fence', of: ANY, write: asText(text => `\`\`\`\n${text}\`\`\`\n`) },
  { name: 'with carriage returns', of: ANY, write: asText(lines(line => `${line}\r`)) },
  {
    name: 'with a byte order mark',
    of: ANY,
    write: text => Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), Buffer.from(text)]),
  },
  { name: 'in UTF-16, little end first', of: ANY, write: text => Buffer.from(`\ufeff${text}`, 'utf16le') },
  {
    name: 'in UTF-16, big end first',
    of: ANY,
    write: text => Buffer.from(`\ufeff${text}`, 'utf16le').swap16(),
  },
  {
    name: 'with lines numbered by cat -n',
    of: ANY,
    write: asText(lines((line, at) => `${String(at + 1).padStart(6)}\t${line}`)),
  },
  {
    name: 'with lines numbered by grep -n',
    of: ANY,
    write: asText(lines((line, at) => `${at + 1}:${line}`)),
  },
  {
    name: 'as dmesg',
    of: ['tracefs'],
    write: asText(lines((line, at) => `[ 4591.${String(at).padStart(6, '0')}] ${line}`)),
  },
  {
    name: 'as a serial console with levels',
    of: ['tracefs'],
    write: asText(lines((line, at) => `<4>[${String(at).padStart(5)}.000001] ${line}`)),
  },
  {
    name: 'as a journal',
    of: ['tracefs'],
    write: asText(lines(line => `Nov 28 15:42:01 host-1 kernel: ${line}`)),
  },
  {
    name: 'as a journal quoted in a mail',
    of: ['tracefs'],
    write: asText(lines(line => `> 2026-11-28T15:42:01.123456+00:00 host kernel: [ 12.000001] ${line}`)),
  },
  {
    name: "as Docker's log",
    of: ANY,
    write: asText(lines(line => JSON.stringify({ log: `${line}\n`, stream: 'stdout', time: ISO }))),
  },
  {
    name: "as Kubernetes' log, zipped",
    of: ANY,
    write: text => zip('0.log', Buffer.from(lines(line => `${ISO} stdout F ${line}`)(text), 'latin1')),
  },
  { name: 'as kubectl logs --timestamps', of: ANY, write: asText(lines(line => `${ISO} ${line}`)) },
  { name: 'as docker compose logs', of: ANY, write: asText(lines(line => `web-1  | ${line}`)) },
  {
    name: 'as journalctl -o json',
    of: ['tracefs'],
    write: asText(
      lines((line, at) =>
        JSON.stringify({
          _HOSTNAME: 'host',
          PRIORITY: '4',
          _SOURCE_MONOTONIC_TIMESTAMP: String(4_591_000_000 + at),
          MESSAGE: at % 7 === 0 ? [...Buffer.from(line)] : line,
        }),
      ),
    ),
  },
  {
    name: 'as journalctl -o export',
    of: ['tracefs'],
    write: asText(
      lines(
        line => `__CURSOR=s=1;i=2\n_BOOT_ID=3\nPRIORITY=4\n_TRANSPORT=kernel\nMESSAGE=${line}\n_HOSTNAME=h\n`,
      ),
    ),
  },
  {
    name: 'as journalctl -o short-monotonic',
    of: ['tracefs'],
    write: asText(
      lines((line, at) => `[ 4591.${String(at).padStart(6, '0')}] host-1.example.org kernel: ${line}`),
    ),
  },
  {
    name: 'as journalctl -o short-full',
    of: ['tracefs'],
    write: asText(lines(line => `Sat 2026-11-28 15:42:01 UTC host kernel: ${line}`)),
  },
  {
    name: 'as syslog of RFC 5424',
    of: ['tracefs'],
    write: asText(lines(line => `<4>1 ${ISO} host kernel - - [meta sequenceId="1"] [ 12.000001] ${line}`)),
  },
  {
    name: 'as syslog of RFC 3164',
    of: ['tracefs'],
    write: asText(lines(line => `<4>Nov 28 15:42:01 host kernel: [   12.000001] ${line}`)),
  },
  {
    name: 'as /dev/kmsg and netconsole',
    of: ['tracefs'],
    write: asText(lines((line, at) => `6.18.0,4,${at},4591${at},-;${line}`)),
  },
  {
    name: 'as a terminal with times wrote it down',
    of: ['tracefs'],
    write: asText(lines(line => `[2026-11-28 15:42:01.123] <4>[   12.000001] ${line}`)),
  },
  {
    name: 'as dmesg in colours',
    of: ['tracefs'],
    write: asText(lines(line => `\x1b[32m[ 4591.000001] \x1b[0m\x1b[33m${line}\x1b[0m`)),
  },
  {
    name: 'with HTML entities',
    of: ANY,
    write: asText(text => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')),
  },
  {
    name: "quoted in a mail of a list's archive",
    of: ANY,
    write: asText(text =>
      lines(line => `> > ${line}`)(text)
        .replaceAll('&', '&amp;')
        .replaceAll('<', '&lt;')
        .replaceAll('>', '&gt;'),
    ),
  },
  {
    name: "as Docker's log, found by grep -n and quoted in a mail",
    of: ANY,
    write: asText(lines((line, at) => `> ${at + 1}:${JSON.stringify({ log: `${line}\n` })}`)),
  },
  { name: 'gzipped', of: ANY, write: text => gzipSync(text) },
  { name: 'packed with zstd', of: ANY, write: text => zstdCompressSync(text) },
  { name: 'zipped', of: ANY, write: text => zip('trace.txt', Buffer.from(text)) },
  { name: 'gzipped in a zip', of: ANY, write: text => zip('trace.txt.gz', gzipSync(text)) },
  { name: 'in a page of systrace', of: ['tracefs'], write: asText(systrace) },
  {
    name: 'in a page of systrace, packed',
    of: ['tracefs'],
    write: text =>
      Buffer.from(
        `<!DOCTYPE html>\n<html><script id="viewer-data" type="application/json">${gzipSync(text).toString('base64')}</script></html>`,
      ),
  },
  {
    name: 'in an old page of systrace',
    of: ['tracefs'],
    write: asText(
      text =>
        `<!DOCTYPE HTML>\n<html><script>\nvar linuxPerfData = "\\\n${lines(line => `${line}\\n\\`)(text)}";\n</script></html>\n`,
    ),
  },
  {
    name: 'as atrace -z',
    of: ['tracefs'],
    write: text => Buffer.concat([Buffer.from('capturing trace... done\nTRACE:\n'), deflateSync(text)]),
  },
  {
    name: 'with the column of thread groups empty',
    of: ['tracefs'],
    write: asText(text => text.replace(/-(\d+)( +)\[(\d+)\] /g, '-$1$2(-----) [$3] ')),
  },
  {
    name: 'with prev_state in hexadecimal',
    of: ['tracefs', 'perf'],
    write: asText(text =>
      text
        .replace(/prev_state=D /g, 'prev_state=0x2 ')
        .replace(/prev_state=R\+? /g, 'prev_state=0x100 ')
        .replace(/prev_state=S /g, 'prev_state=0x1 '),
    ),
  },
  {
    name: 'with prev_state in bits, without the arrow',
    of: ['tracefs', 'perf'],
    write: asText(text =>
      text
        .replace(/prev_state=D ==>/g, 'prev_state=2')
        .replace(/prev_state=R ==>/g, 'prev_state=0')
        .replace(/prev_state=R\+ ==>/g, 'prev_state=256')
        .replace(/prev_state=S ==>/g, 'prev_state=1'),
    ),
  },
  {
    name: 'with raw booleans',
    of: ANY,
    write: asText(text =>
      text.replace(/(write|success)=true/g, '$1=1').replace(/(write|success)=false/g, '$1=0'),
    ),
  },
  {
    name: 'with paths of cgroups',
    of: ANY,
    write: asText(text => text.replace(/memcg_id=(\d+)/g, 'memcg_path=/a b/$1')),
  },
  {
    name: 'with times in ticks',
    of: ['tracefs'],
    write: asText(text => text.replace(/( +\d+)\.(\d{6}): /g, '$1$2: ')),
    clockHz: 1_000_000,
  },
  {
    name: 'with times in plain nanoseconds',
    of: ['tracefs'],
    write: asText(text => text.replace(/( +\d+)\.(\d{6}): /g, '$1$2000: ')),
    clockHz: 1_000_000_000,
  },
  { name: 'the files of the CPUs one behind the other', of: ['tracefs'], write: asText(byCpu) },
  {
    name: 'the files of the CPUs one behind the other, gzipped',
    of: ['tracefs'],
    write: text => gzipSync(byCpu(text)),
  },
  {
    name: 'the files of the CPUs one behind the other, quoted in a mail',
    of: ['tracefs'],
    write: asText(text => lines(line => `> ${line}`)(byCpu(text))),
  },
  { name: 'in the latency format', of: ['tracefs'], write: asText(latency) },
  { name: 'with stacks of user space', of: ['tracefs'], write: asText(userStacks) },
  {
    name: 'without the column of CPUs',
    of: ['perf'],
    write: asText(text => text.replace(/^(\S.* \d+) \[\d+\] /gm, '$1 ')),
  },
  {
    name: 'with periods',
    of: ['perf'],
    write: asText(text => text.replace(/^(\S.*?\d: +)(\w+:\w+: )/gm, '$1         1 $2')),
  },
  {
    name: 'with pid and tid',
    of: ['perf'],
    write: asText(text => text.replace(/^(\S.*) (\d+) \[/gm, '$1 27000/$2 [')),
  },
  {
    name: 'with pid and tid, without CPUs',
    of: ['perf'],
    write: asText(text => text.replace(/^(\S.*) (\d+) \[\d+\] /gm, '$1 27000/$2 ')),
  },
  { name: 'with spaces for tabs', of: ['perf'], write: asText(text => text.replaceAll('\t', '        ')) },
  {
    name: 'with times to the microsecond',
    of: ['perf'],
    write: asText(text => text.replace(/( \d+\.\d{6})\d{3}: /g, '$1: ')),
  },
  {
    name: 'with source lines',
    of: ['perf'],
    write: asText(text => text.replace(/^(\t.*)$/gm, '$1\n  mm/memory.c:4711')),
  },
  {
    name: 'with inlined frames',
    of: ['perf'],
    write: asText(text =>
      text.replace(/^(\t +\S+) (\S+) (\(\[kernel.*)$/gm, '$1 always_inlined (inlined)\n$1 $2 $3'),
    ),
  },
  { name: 'without modules', of: ['perf'], write: asText(text => text.replace(/^(\t.*) \(\S*\)$/gm, '$1')) },
  { name: 'without addresses', of: ['perf'], write: asText(text => text.replace(/^\t +[0-9a-f]+ /gm, '\t')) },
]

/** Without dmesg's time. */
const bare = (line: string): string => line.replace(/^\[ *\d+\.\d+\] ?/, '')
const usOf = (line: string): number => Math.round(Number(/^\[ *(\d+\.\d+)\]/.exec(line)?.[1] ?? 0) * 1e6)

/** A kernel's log, as dmesg prints it, as other tools and habits give it. */
export const LOGS: readonly { readonly name: string; readonly write: (text: string) => Buffer }[] = [
  { name: 'short', write: asText(lines(line => `Nov 28 15:42:01 host-1 kernel: ${bare(line)}`)) },
  { name: 'short-iso', write: asText(lines(line => `2026-11-28T15:42:01+0000 host kernel: ${bare(line)}`)) },
  { name: 'short-monotonic', write: asText(lines(line => line.replace('] ', '] host kernel: '))) },
  { name: 'short-unix', write: asText(lines(line => `1763999999.123456 host kernel: ${bare(line)}`)) },
  {
    name: 'short-full',
    write: asText(lines(line => `Sat 2026-11-28 15:42:01 UTC host kernel: ${bare(line)}`)),
  },
  { name: 'cat', write: asText(lines(bare)) },
  {
    name: 'json',
    write: asText(
      lines(line =>
        JSON.stringify({
          PRIORITY: '3',
          _SOURCE_MONOTONIC_TIMESTAMP: String(usOf(line)),
          MESSAGE: bare(line),
        }),
      ),
    ),
  },
  {
    name: 'json-pretty',
    write: asText(
      lines(line => JSON.stringify({ __CURSOR: 's', MESSAGE: bare(line) }, null, 8).replace(/": /g, '" : ')),
    ),
  },
  { name: 'export', write: asText(lines(line => `__CURSOR=s\n_TRANSPORT=kernel\nMESSAGE=${bare(line)}\n`)) },
  {
    name: 'verbose',
    write: asText(
      lines(line => `Sat 2026-11-28 15:42:01 UTC [s=1]\n    _TRANSPORT=kernel\n    MESSAGE=${bare(line)}`),
    ),
  },
  {
    name: 'RFC 5424',
    write: asText(lines(line => `<3>1 ${ISO} host kernel - - [a@1 b="c\\]"][d@2] ${line}`)),
  },
  { name: 'RFC 3164', write: asText(lines(line => `<3>Nov 28 15:42:01 host kernel: ${line}`)) },
  {
    name: '/dev/kmsg',
    write: asText(
      lines((line, at) => `3,${at},${usOf(line)},-,caller=T1;${bare(line)}\n SUBSYSTEM=block\n DEVICE=b8:0`),
    ),
  },
  { name: 'pstore', write: asText(text => `Panic#1 Part1\n${lines(line => `<3>${line}`)(text)}`) },
  { name: 'with callers', write: asText(lines(line => line.replace('] ', '][   T123] '))) },
  {
    name: 'dmesg in colours',
    write: asText(lines(line => `\x1b[32m${line.replace('] ', '] \x1b[0m\x1b[31m')}\x1b[0m`)),
  },
  { name: 'dmesg -T', write: asText(lines(line => `[Sat Nov 28 15:42:01 2026] ${bare(line)}`)) },
  { name: 'dmesg -x', write: asText(lines(line => `kern  :err   : ${line}`)) },
  { name: 'dmesg -e', write: asText(lines(line => `[Nov28 15:42] ${bare(line)}`)) },
  { name: 'dmesg -d', write: asText(lines(line => line.replace('] ', ' <    0.000001>] '))) },
  {
    name: 'dmesg -J',
    write: asText(text =>
      JSON.stringify(
        {
          dmesg: text
            .trim()
            .split('\n')
            .map(line => ({ pri: 3, time: usOf(line) / 1e6, msg: bare(line) })),
        },
        null,
        3,
      ),
    ),
  },
  {
    name: 'dmesg --time-format iso',
    write: asText(lines(line => `2026-11-28T15:42:01,123456+00:00 ${bare(line)}`)),
  },
  { name: 'a terminal with times', write: asText(lines(line => `[2026-11-28 15:42:01] ${line}`)) },
  {
    name: 'logcat',
    write: asText(lines(line => `11-28 15:42:01.123     0     0 W         : ${bare(line)}`)),
  },
  {
    name: 'a letter around it',
    write: asText(text => `Hello,\n\nwe see this:\n\`\`\`\n${text}\`\`\`\nregards\n`),
  },
  {
    name: "Docker's log of Kubernetes' log, gzipped",
    write: text =>
      gzipSync(lines(line => JSON.stringify({ log: `${ISO} stdout F ${line}\n`, stream: 'stdout' }))(text)),
  },
]

export const REFUSED: readonly (Form & { readonly because: RegExp })[] = [
  {
    name: 'with times in ticks of an unknown clock',
    of: ['tracefs'],
    write: SAME.find(({ name }) => name === 'with times in ticks')!.write,
    because: /times have no point.*--clock-hz/,
  },
  {
    name: 'twice, one behind the other',
    of: ['tracefs', 'trace-cmd'],
    write: asText(text => text + text),
    because: /times go back by .* expected events in order of time/,
  },
  {
    name: 'without times',
    of: ['perf'],
    write: asText(text => text.replace(/^(\S.*\]) +\d+\.\d+: +/gm, '$1 ')),
    because: /no times; expected perf script with -F \+time/,
  },
]

function systrace(text: string): string {
  const script = Array.from(
    { length: 1500 },
    (_, at) => `var x${at} = [1, 2, 3]; // pid [000] 1.2: not: an event\n`,
  ).join('')
  return `<!DOCTYPE html>\n<html><head><script>\n${script}</script></head><body>\n<!-- BEGIN TRACE -->\n  <script class="trace-data" type="application/text">\n${text}  </script>\n<!-- END TRACE -->\n</body></html>\n`
}

/** `comm-pid  cpu+flags  us us: event`, names cut to eight characters. */
function latency(text: string): string {
  return lines(line =>
    line.replace(
      /^ *(.*?)-(\d+) +\[(\d+)\] (\S+) +(\d+)\.(\d{6}): /,
      (_, comm: string, pid: string, cpu: string, flags: string, seconds: string, us: string) =>
        `${comm.slice(0, 8).padStart(8)}-${pid.padEnd(7)} ${String(Number(cpu)).padStart(3)}${flags} ${Number(seconds) * 1e6 + Number(us)}us+: `,
    ),
  )(text)
}

/** A user stack behind each kernel stack. */
function userStacks(text: string): string {
  let head = ''
  let isFrame = false
  return lines(line => {
    if (line.includes('<stack trace>')) head = line.replace('<stack trace>', '<user stack trace>')
    const was = isFrame
    isFrame = line.startsWith(' =>')
    return was && !isFrame ? `${head}\n =>  <00007f12a3b4c5d6>\n => folio_wait_writeback\n${line}` : line
  })(text)
}

/** As `cat per_cpu/cpu*` + '/trace` gives it, a header before each, and a CPU that saw nothing. */
function byCpu(text: string): string {
  const all = text.split(/\n(?! =>)/)
  const of = (cpu: string) => ['# tracer: nop', '#', ...all.filter(line => line.includes(`[${cpu}]`))]
  return [...of('001'), ...of('000'), ...of('002'), ''].join('\n')
}

/** An archive of one file, without its directory: what a stream can be read by. */
function zip(name: string, content: Buffer): Buffer {
  const packed = deflateRawSync(content)
  const header = Buffer.alloc(30)
  header.writeUInt32LE(0x04034b50, 0)
  header.writeUInt16LE(20, 4)
  header.writeUInt16LE(8, 8)
  header.writeUInt32LE(crc32(content), 14)
  header.writeUInt32LE(packed.length, 18)
  header.writeUInt32LE(content.length, 22)
  header.writeUInt16LE(name.length, 26)
  const end = Buffer.alloc(22)
  end.writeUInt32LE(0x06054b50, 0)
  return Buffer.concat([header, Buffer.from(name), packed, end])
}
