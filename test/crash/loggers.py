"""Programs that log: Python's own rotating handlers, plain appenders whose logs logrotate rotates, those that rotate what they are piped (svlogd, multilog,
rotatelogs: where they are installed), and what Docker and the kubelet do to the logs of containers, done again here step by step. Each has a folder of its own in
FOLDER and writes `NAME NUMBER x…` to app.log there (or as it calls it), one line first; it goes on when FOLDER/go is there, and ends when FOLDER/end is.

    python3 loggers.py FOLDER
"""
import gzip
import logging
import logging.handlers
import os
import random
import shutil
import subprocess
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
        try:
            return not os.path.samestat(os.stat(path), os.fstat(log.fileno()))
        except FileNotFoundError:
            return True

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


def pipe(name, command, settings=None):
    """Writes to the standard input of a program that keeps it; FOLDER in its command is its folder. Nothing happens where it is not installed."""
    if shutil.which(command[0]) is None:
        return
    own = os.path.dirname(path_of(name))
    if settings is not None:
        with open(os.path.join(own, 'config'), 'w') as config:
            config.write(settings)
    program = subprocess.Popen([part.replace('FOLDER', own) for part in command], stdin=subprocess.PIPE)

    def write(number):
        program.stdin.write(f'{name} {number} {"x" * random.randint(0, 120)}\n'.encode())
        program.stdin.flush()

    go_on(write, 0.01)
    program.stdin.close()
    program.wait()


def docker(name, is_packed):
    """The driver json-file: closes the log, moves every generation on by one, packs the last one beside what is written meanwhile."""
    path = path_of(name)
    log = open(path, 'ab', buffering=0)
    ending = '.gz' if is_packed else ''
    packing = None

    def pack():
        with open(f'{path}.1', 'rb') as plain, gzip.open(f'{path}.1.gz', 'wb') as archive:
            shutil.copyfileobj(plain, archive, 4_000)
        os.remove(f'{path}.1')

    def rotate():
        nonlocal log, packing
        if packing is not None:
            packing.join()
        log.close()
        number = 1
        while os.path.exists(f'{path}.{number}{ending}'):
            number += 1
        for each in range(number, 1, -1):
            os.rename(f'{path}.{each - 1}{ending}', f'{path}.{each}{ending}')
        os.rename(path, f'{path}.1')
        log = open(path, 'ab', buffering=0)
        if is_packed:
            packing = threading.Thread(target=pack)
            packing.start()

    def write(number):
        if log.tell() > 60_000:
            rotate()
        log.write(f'{name} {number} {"x" * random.randint(0, 120)}\n'.encode())

    go_on(write, 0.01)
    if packing is not None:
        packing.join()


def kubelet(name):
    """The log that a link leads to is renamed by its time, opened anew some time later, and packed under a temporary name with the next rotation."""
    pods = os.path.join(os.path.dirname(path_of(name)), 'pods')
    os.makedirs(pods)
    path = os.path.join(pods, '0.log')
    os.symlink(path, os.path.join(folder, name, 'link.log'))
    log = open(path, 'ab', buffering=0)
    lock = threading.Lock()

    def write(number):
        with lock:
            log.write(f'{name} {number} {"x" * random.randint(0, 120)}\n'.encode())

    def pack(plain_path):
        with open(plain_path, 'rb') as plain, gzip.open(f'{plain_path}.tmp', 'wb') as archive:
            while chunk := plain.read(4_000):
                archive.write(chunk)
                time.sleep(0.002)
        os.rename(f'{plain_path}.tmp', f'{plain_path}.gz')
        os.remove(plain_path)

    def rotate():
        nonlocal log
        while not is_there('end'):
            time.sleep(1.1)
            if not is_there('go'):
                continue
            for each in os.listdir(pods):
                if each != '0.log' and not each.endswith('.gz'):
                    pack(os.path.join(pods, each))
            os.rename(path, f'{path}.{time.strftime("%Y%m%d-%H%M%S")}')
            time.sleep(random.choice([0, 0.01, 0.3]))
            with lock:
                log.close()
                log = open(path, 'ab', buffering=0)

    rotating = threading.Thread(target=rotate)
    rotating.start()
    go_on(write, 0.01)
    rotating.join()


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
    (pipe, 'svlogd', ['svlogd', 'FOLDER'], 's30000\nn10000\n'),
    (pipe, 'svlogd-gzip', ['svlogd', 'FOLDER'], 's30000\nn10000\n!gzip\n'),
    (pipe, 'multilog', ['multilog', 's30000', f'n{GENERATIONS}', 'FOLDER']),
    (pipe, 'rotatelogs-link', ['rotatelogs', '-f', '-L', 'FOLDER/app.log', 'FOLDER/app-%Y%m%d%H%M%S.log', '2']),
    # These write over what they wrote before.
    (pipe, 'rotatelogs-circle', ['rotatelogs', '-f', '-n', '5', 'FOLDER/app.log', '2']),
    (pipe, 'rotatelogs-truncate', ['rotatelogs', '-f', '-t', 'FOLDER/app.log', '3']),
    (docker, 'docker', False),
    (docker, 'docker-gzip', True),
    (kubelet, 'kubelet'),
]
threads = [threading.Thread(target=job, args=arguments) for job, *arguments in jobs]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
