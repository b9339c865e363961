"""Courses that the clients in Python share: what they do for a feature of features.ts, step by step, given each one's way to do a step."""

import time


def until(condition, step=lambda: time.sleep(0.05), seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        step()
        if time.monotonic() > end:
            raise TimeoutError("never happened")


def rebalance(values, open_member, poll, send):
    members = [open_member(), open_member()]
    read = []

    def step():
        for member in members:
            read.extend(poll(member))

    def assigned():
        return [len(member.assignment()) for member in members]

    half = len(values) // 2
    until(lambda: assigned() == [2, 2], step)
    send(values[:half])
    until(lambda: len(set(read)) == half, step)
    together = assigned()
    members.pop().close()
    until(lambda: assigned() == [4], step)
    alone = assigned()[0]
    send(values[half:])
    until(lambda: len(set(read)) == len(values), step)
    members[0].close()
    return {"together": together, "alone": alone, "read": read}


def resume(values, send, take):
    send(values[:60])
    first = take(60)
    send(values[60:])
    return {"first": first, "then": take(len(values) - 60)}


def admin(create, partitions, retention, change, remove):
    """`partitions` says 0 of a topic that is not listed."""
    create()
    until(lambda: partitions() == 2)
    before = [partitions(), retention()]
    listed = [partitions() > 0]
    change()
    until(lambda: partitions() == 3 and retention() == "54321")
    after = [partitions(), retention()]
    remove()
    until(lambda: partitions() == 0)
    listed.append(partitions() > 0)
    return {"partitions": [before[0], after[0]], "retention": [before[1], after[1]], "listed": listed}
