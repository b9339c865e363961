"""librdkafka with group.protocol=consumer (KIP-848) against a Kafka broker: two members share, one is killed, static members keep their place, a regular
expression follows new topics, offsets are committed and found again. Prints one JSON object with what was observed; the test that started it judges.
"""

import json
import os
import subprocess
import sys
import time

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

BOOTSTRAP = sys.argv[1]
PATIENCE_S = 60


def consumer(group, **options):
    return Consumer(
        {
            "bootstrap.servers": BOOTSTRAP,
            "group.id": group,
            "group.protocol": "consumer",
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "topic.metadata.refresh.interval.ms": 1000,
            **options,
        }
    )


def until(holds, *clients):
    """Polls the clients until something holds; the values that came on the way."""
    values = []
    deadline = time.monotonic() + PATIENCE_S
    while not holds(values):
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {PATIENCE_S} s")
        for client in clients:
            message = client.poll(0.05)
            if message is None:
                continue
            if message.error():
                raise KafkaException(message.error())
            values.append(message.value().decode())
    return values


def create(*topics, partitions):
    admin = AdminClient({"bootstrap.servers": BOOTSTRAP})
    for future in admin.create_topics([NewTopic(topic, partitions, 1) for topic in topics]).values():
        future.result(PATIENCE_S)


def produce(topic, values, partitions):
    producer = Producer({"bootstrap.servers": BOOTSTRAP})
    for number, value in enumerate(values):
        producer.produce(topic, value, partition=number % partitions)
    producer.flush(PATIENCE_S)


def owned(client):
    return sorted(partition.partition for partition in client.assignment())


def member():
    """A member in a process of its own, to be killed: says when it has its share, and reads on."""
    client = consumer(sys.argv[3], **{"client.id": "killed"})
    client.subscribe([sys.argv[4]])
    until(lambda _: len(client.assignment()) == 2, client)
    print("ready", flush=True)
    while True:
        client.poll(0.05)


def share():
    """Two members have two partitions each; the other one is killed, and its share comes back."""
    create("p-share", partitions=4)
    mine = consumer("p-sharers")
    mine.subscribe(["p-share"])
    until(lambda _: len(mine.assignment()) == 4, mine)
    other = subprocess.Popen([sys.executable, __file__, BOOTSTRAP, "member", "p-sharers", "p-share"], stdout=subprocess.PIPE)
    os.set_blocking(other.stdout.fileno(), False)
    until(lambda _: other.stdout.readline() == b"ready\n", mine)
    both = owned(mine)
    other.kill()
    other.wait()
    until(lambda _: len(mine.assignment()) == 4, mine)
    alone = owned(mine)
    mine.close()
    return {"both": len(both), "alone": alone}


def resume():
    """What one member has committed, the next one does not read again."""
    create("p-resume", partitions=2)
    produce("p-resume", [f"a{number}" for number in range(20)], 2)
    first = consumer("p-readers")
    first.subscribe(["p-resume"])
    read = until(lambda values: len(values) == 20, first)
    first.commit(asynchronous=False)
    first.close()
    produce("p-resume", [f"b{number}" for number in range(10)], 2)
    second = consumer("p-readers")
    second.subscribe(["p-resume"])
    resumed = until(lambda values: len(values) == 10, second)
    committed = second.committed([TopicPartition("p-resume", partition) for partition in (0, 1)], PATIENCE_S)
    second.close()
    return {
        "read": sorted(read),
        "resumed": sorted(resumed),
        "committed": [partition.offset for partition in committed],
    }


def static():
    """A static member that comes back has what it had, and the other one notices nothing."""
    create("p-static", partitions=4)
    options = {"group.instance.id": "one"}
    first = consumer("p-statics", **options)
    second = consumer("p-statics", **{"group.instance.id": "two"})
    for client in (first, second):
        client.subscribe(["p-static"])
    until(lambda _: len(first.assignment()) == len(second.assignment()) == 2, first, second)
    before, others = owned(first), owned(second)
    first.close()
    again = consumer("p-statics", **options)
    again.subscribe(["p-static"])
    until(lambda _: len(again.assignment()) == 2, again, second)
    after = owned(again), owned(second)
    again.close()
    second.close()
    return {"kept": after == (before, others), "shared": sorted(before + others)}


def regex():
    """A topic that appears later is read too, when the expression matches."""
    create("p-re-1", "q-re-1", partitions=1)
    produce("p-re-1", ["one"], 1)
    produce("q-re-1", ["other"], 1)
    client = consumer("p-expressions")
    client.subscribe(["^p-re-[0-9]+"])
    first = until(lambda values: len(values) == 1, client)
    create("p-re-2", partitions=1)
    produce("p-re-2", ["two"], 1)
    second = until(lambda values: len(values) == 1, client)
    client.close()
    return {"values": first + second}


SCENARIOS = {"share": share, "resume": resume, "static": static, "regex": regex}

if sys.argv[2] == "member":
    member()
else:
    print(json.dumps(SCENARIOS[sys.argv[2]]()))
