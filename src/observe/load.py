"""Makes the loads that observe's tests trace. Run as root on Linux: load.py SCENARIO FOLDER SECONDS

    munmap     FOLDER is frozen; a store faults in page_mkwrite; munmap of the same VMA; a monitor reads smaps: inverted
    madvise    the same with madvise that changes the VMA: inverted
    read       a cold file is read through a mapping while others map and unmap, and the monitor reads: not inverted
    anonymous  memory is mapped, touched and unmapped, and the monitor reads: not inverted
    faults     page faults and nothing else; prints how many, and the CPU and wall seconds they took

Prints one line of JSON: the monitor's slowest read in milliseconds, and the end of it on CLOCK_MONOTONIC.
"""
import ctypes, json, mmap, os, subprocess, sys, threading, time

libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
libc.prctl.argtypes = [ctypes.c_int, ctypes.c_char_p]
PAGE = mmap.PAGESIZE
PAGES = 64
READ, WRITE = 1, 2
SHARED, PRIVATE, ANONYMOUS = 1, 2, 0x20
MADV_RANDOM, MADV_DONTNEED, MADV_NOHUGEPAGE = 1, 4, 15
PR_SET_NAME = 15

MONITOR = """
import json, sys, time, ctypes
ctypes.CDLL(None).prctl(15, b'health: [mon] 1', 0, 0, 0)
pid, slowest, ended = sys.argv[1], 0, 0
print('ready', flush=True)
end = time.monotonic() + float(sys.argv[2])
while time.monotonic() < end:
    start = time.monotonic()
    open(f'/proc/{pid}/smaps').read()
    took = time.monotonic() - start
    if took > slowest: slowest, ended = took, start + took
    time.sleep(0.001)
print(json.dumps({'slowestMs': slowest * 1000, 'endSec': ended}))
"""


def name(text):
    libc.prctl(PR_SET_NAME, text.encode())


def in_thread(text, work):
    def run():
        name(text)
        work()
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


def map_file(path, pages):
    with open(path, 'r+b') as file:
        return libc.mmap(None, pages * PAGE, READ | WRITE, SHARED, file.fileno(), 0)


def churn(until):
    while time.monotonic() < until:
        at = libc.mmap(None, 16 * PAGE, READ | WRITE, PRIVATE | ANONYMOUS, -1, 0)
        ctypes.memset(at, 1, 16 * PAGE)
        libc.munmap(at, 16 * PAGE)


def frozen(folder, seconds, scenario):
    """The mapping lives in a child: a process whose mmap_lock is stuck can't fork, not even to unfreeze."""
    path = os.path.join(folder, 'mapped')
    with open(path, 'wb') as file:
        file.write(bytes(PAGES * PAGE))
        file.flush()
        os.fsync(file.fileno())
    child = subprocess.Popen([sys.executable, __file__, scenario + '-child', path, '0'], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    child.stdout.readline()
    monitor = watch(child.pid, seconds)
    subprocess.check_call(['fsfreeze', '-f', folder])
    try:
        for thread in ['store (frozen)', 'change-vma 7']:
            child.stdin.write(b'.')
            child.stdin.flush()
            until_stuck(child.pid, thread)
        time.sleep(seconds)
    finally:
        subprocess.check_call(['fsfreeze', '-u', folder])
    child.stdin.close()
    child.wait()
    return monitor


def until_stuck(pid, thread):
    """Waits for a thread of that name to sleep uninterruptibly; its stat takes no mmap_lock."""
    end = time.monotonic() + 10
    while time.monotonic() < end:
        for task in os.listdir(f'/proc/{pid}/task'):
            with open(f'/proc/{pid}/task/{task}/stat') as file: stat = file.read()
            if f'({thread}) D' in stat: return
        time.sleep(0.001)
    sys.exit(f'{thread} did not get stuck')


def frozen_child(path, change):
    base = map_file(path, PAGES)
    ctypes.string_at(base, PAGES * PAGE)
    turns = [threading.Event(), threading.Event()]
    works = [in_thread('store (frozen)', lambda: (turns[0].wait(), ctypes.memset(base, 1, 1))),
             in_thread('change-vma 7', lambda: (turns[1].wait(), change(base)))]
    print('ready', flush=True)
    for turn in turns:
        os.read(0, 1)
        turn.set()
    for work in works: work.join()


def watch(pid, seconds):
    monitor = subprocess.Popen([sys.executable, '-c', MONITOR, str(pid), str(seconds)], stdout=subprocess.PIPE, text=True)
    monitor.stdout.readline()
    return monitor


def read_faults(folder, seconds):
    path = os.path.join(folder, 'cold')
    pages = 4096
    with open(path, 'wb') as file:
        file.write(os.urandom(pages * PAGE))
        file.flush()
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    base = map_file(path, pages)
    libc.madvise(base, pages * PAGE, MADV_RANDOM)
    until = time.monotonic() + seconds

    def reads():
        for page in range(0, pages, 7):
            if time.monotonic() > until: return
            ctypes.string_at(base + page * PAGE, 1)
    monitor = watch(os.getpid(), seconds)
    for thread in [in_thread('read faults', reads), in_thread('map-unmap', lambda: churn(until))]: thread.join()
    return monitor


def anonymous(seconds):
    until = time.monotonic() + seconds
    monitor = watch(os.getpid(), seconds)
    for thread in [in_thread('map-unmap', lambda: churn(until)) for _ in range(2)]: thread.join()
    return monitor


def faults(seconds):
    pages = 8192
    base = libc.mmap(None, pages * PAGE, READ | WRITE, PRIVATE | ANONYMOUS, -1, 0)
    libc.madvise(base, pages * PAGE, MADV_NOHUGEPAGE)
    began, cpu, count = time.monotonic(), time.process_time(), 0
    while time.monotonic() < began + seconds:
        ctypes.memset(base, 1, pages * PAGE)
        libc.madvise(base, pages * PAGE, MADV_DONTNEED)
        count += pages
    print(json.dumps({'faults': count, 'cpuSec': time.process_time() - cpu, 'wallSec': time.monotonic() - began}))


def main():
    scenario, folder, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
    changes = {'munmap': lambda base: libc.munmap(base + 8 * PAGE, PAGE),
               'madvise': lambda base: libc.madvise(base, 8 * PAGE, MADV_RANDOM)}
    if scenario in changes: monitor = frozen(folder, seconds, scenario)
    elif scenario.removesuffix('-child') in changes: return frozen_child(folder, changes[scenario.removesuffix('-child')])
    elif scenario == 'read': monitor = read_faults(folder, seconds)
    elif scenario == 'anonymous': monitor = anonymous(seconds)
    elif scenario == 'faults': return faults(seconds)
    else: sys.exit(f'no scenario {scenario}; expected munmap, madvise, read, anonymous or faults')
    out, _ = monitor.communicate()
    print(out.strip().splitlines()[-1])


main()
