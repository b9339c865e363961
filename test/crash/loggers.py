"""Programs that log: Python's own rotating handlers, and plain appenders whose logs logrotate rotates. Each has a folder of its own in FOLDER and writes
`NAME NUMBER x…` to app.log there, one line first; it goes on when FOLDER/go is there, and ends when FOLDER/end is.

    python3 loggers.py FOLDER
"""
import gzip
import logging
import logging.handlers
import os
import random
import shutil
import sys
import threading
import time

folder = sys.argv[1]
GENERATIONS = 10_000


def is_there(name):
    return os.path.exists(os.path.join(folder, name))


def path_of(name):
    os.makedirs(os.path.join(folder, name), exist_ok=True)
    return os.path.join(folder, name, 'app.log')


def go_on(write, pause_seconds):
    """Calls write(number) for the first line, and in bursts later."""
    write(0)
    while not is_there('go'):
        time.sleep(0.01)
    number = 1
    while not is_there('end'):
        for _ in range(random.randint(1, 40)):
            write(number)
            number += 1
        time.sleep(pause_seconds)


def packed(handler):
    """Packs what the handler rotates."""

    def rotate(source, target):
        with open(source, 'rb') as plain, gzip.open(target, 'wb') as archive:
            shutil.copyfileobj(plain, archive)
        os.remove(source)

    handler.namer = lambda name: name + '.gz'
    handler.rotator = rotate
    return handler


def by_size(path):
    return logging.handlers.RotatingFileHandler(path, maxBytes=60_000, backupCount=GENERATIONS)


def by_time(path):
    return logging.handlers.TimedRotatingFileHandler(path, when='S', interval=2, backupCount=GENERATIONS)


def log_by(name, handler):
    logger = logging.getLogger(name)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    logger.addHandler(handler(path_of(name)))
    go_on(lambda number: logger.info('%s %d %s', name, number, 'x' * random.randint(0, 120)), 0.01)


def append(name, late_seconds, pause_seconds):
    """Opens the log anew so long after it was renamed, as programs do that are told by a signal; never when that is None."""
    path = path_of(name)
    log = open(path, 'ab', buffering=0)
    renamed_at = None

    def is_renamed():
        return not (os.path.exists(path) and os.path.samestat(os.stat(path), os.fstat(log.fileno())))

    def write(number):
        nonlocal log, renamed_at
        if late_seconds is not None and number % 20 == 0:
            if renamed_at is None and is_renamed():
                renamed_at = time.monotonic()
            if renamed_at is not None and time.monotonic() - renamed_at >= late_seconds:
                log.close()
                log = open(path, 'ab', buffering=0)
                renamed_at = None
        log.write(f'{name} {number} {"x" * random.randint(0, 120)}\n'.encode())

    go_on(write, pause_seconds)


jobs = [
    (log_by, 'python-size', by_size),
    (log_by, 'python-size-gzip', lambda path: packed(by_size(path))),
    (log_by, 'python-time', by_time),
    (log_by, 'python-time-gzip', lambda path: packed(by_time(path))),
    (append, 'plain', 0, 0.01),
    # What they write to it after it was packed is nowhere, unless somebody reads it in time.
    (append, 'compress', 0.2, 0.01),
    (append, 'compress-zstd', 0.2, 0.01),
    (append, 'delaycompress', 0.2, 0.01),
    (append, 'dateext', 0, 0.01),
    (append, 'olddir', 0, 0.01),
    # It does not open its log anew, so what it writes between copying and truncating is nowhere: seldom.
    (append, 'copytruncate', None, 0.2),
]
threads = [threading.Thread(target=job, args=arguments) for job, *arguments in jobs]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
