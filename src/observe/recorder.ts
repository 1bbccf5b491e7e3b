/**
 * A recorder for machines without Node: a POSIX shell script that records what `observe live` would, and leaves one file that
 * `observe analyze` takes.
 *
 *     tasks that sleep now, as lines `#~`  ->  an instance of our own in tracefs  ->  trace_pipe into the file  ->  all put back
 *
 * The script needs a shell (dash and busybox do), tracefs, root, and cat, mkdir, rmdir, sleep, sed. Its instance is removed on
 * any end but SIGKILL; what that leaves, the next run removes.
 */
export interface RecorderOptions {
  readonly seconds: number
  /** Of each CPU. */
  readonly bufferKb: number
}

export const recorderScript = ({ seconds, bufferKb }: RecorderOptions): string => `#!/bin/sh
# Records who waits for whose mmap_lock or for a FUSE daemon, and why. Made by: faultline observe recorder
# As root:    sh record.sh [FILE] [SECONDS]        Ctrl-C ends it sooner
# Then:       faultline observe analyze FILE
set -u
out=\${1:-faultline-trace.txt}
seconds=\${2:-${seconds}}
buffer_kb=${bufferKb}

fail() {
  echo "record: $*" >&2
  exit 1
}

case $seconds in '' | . | *[!0-9.]* | *.*.*) fail "$seconds is no time; expected seconds, such as 10 or 0.5" ;; esac
[ "$(id -u)" = 0 ] || fail "tracefs belongs to root; run as root"
[ ! -e "$out" ] || fail "$out exists; name a file that does not"
(: >"$out") 2>/dev/null || fail "$out can't be written; name a file in a folder that exists"

tracing=
mounted=
for place in /sys/kernel/tracing /sys/kernel/debug/tracing; do
  if [ -d "$place/instances" ]; then
    tracing=$place
    break
  fi
done
if [ -z "$tracing" ]; then
  tracing=/sys/kernel/tracing
  [ -d "$tracing" ] || fail "this system has no tracefs ($tracing); expected Linux with CONFIG_TRACING"
  mount -t tracefs nodev "$tracing" || fail "tracefs can't be mounted at $tracing"
  mounted=yes
fi
[ -d "$tracing/events/mmap_lock" ] || {
  [ -z "$mounted" ] || umount "$tracing"
  fail "this kernel has no mmap_lock events; expected Linux 5.11 or later with CONFIG_TRACING"
}

instance=$tracing/instances/faultline-$$
reader=
sleeper=
lost=

finish() {
  trap - EXIT HUP INT TERM
  [ -z "$sleeper" ] || kill "$sleeper" 2>/dev/null
  [ ! -d "$instance" ] || echo 0 >"$instance/tracing_on"
  # The pipe ends when tracing is off and what there was is read; a reader that got nothing is ended.
  if [ -n "$reader" ]; then
    for _ in 1 2 3 4 5 6 7 8 9 10; do
      kill -0 "$reader" 2>/dev/null || break
      sleep 1
    done
    if kill "$reader" 2>/dev/null; then wait "$reader" 2>/dev/null; else wait "$reader" || lost=yes; fi
  fi
  if [ -d "$instance" ]; then
    echo 0 >"$instance/events/enable"
    rmdir "$instance" || echo "record: $instance can't be removed; close what reads it and run rmdir" >&2
  fi
  [ -z "$mounted" ] || umount "$tracing"
  [ -z "$lost" ] || fail "$out isn't whole: it could not be written; see whether the disk is full"
}
trap finish EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

for old in "$tracing"/instances/faultline-*; do
  [ -d "$old" ] || continue
  [ -d "/proc/\${old##*-}" ] || rmdir "$old" 2>/dev/null
done

mkdir "$instance" || fail "a tracing instance can't be made in $tracing/instances"
echo 0 >"$instance/tracing_on"
echo mono >"$instance/trace_clock"
echo "$buffer_kb" >"$instance/buffer_size_kb"

enable() {
  [ -d "$instance/events/$1" ] || return 0
  [ $# -lt 2 ] || echo "$2" >"$instance/events/$1/trigger"
  echo 1 >"$instance/events/$1/enable"
}
for event in start_locking acquire_returned released; do enable "mmap_lock/mmap_lock_$event"; done
enable sched/sched_switch 'stacktrace if prev_state == 2'
enable sched/sched_waking
for event in issue complete requeue; do enable "block/block_rq_$event"; done
for event in send end; do enable "fuse/fuse_request_$event"; done

# Who sleeps now: a hang that began before has no events of its own.
for task in /proc/[0-9]*/task/[0-9]*; do
  state=
  while IFS='	' read -r key value rest; do
    case $key in
    Name:) name=$value ;;
    State:) state=\${value%% *} ;;
    Tgid:) tgid=$value ;;
    Pid:)
      tid=$value
      break
      ;;
    esac
  done 2>/dev/null <"$task/status" || continue
  [ "$state" = D ] || continue
  echo "#~== $name tid $tid tgid $tgid State: D (disk sleep) wchan $(cat "$task/wchan" 2>/dev/null)" >>"$out" || lost=yes
  stack=$(sed 's/^/#~/' "$task/stack" 2>/dev/null) || continue
  echo "$stack" >>"$out" || lost=yes
done

cat "$instance/trace_pipe" >>"$out" &
reader=$!
echo 1 >"$instance/tracing_on"
echo "recording into $out for $seconds s" >&2
sleep "$seconds" &
sleeper=$!
wait "$sleeper"
sleeper=
exit 0
`
