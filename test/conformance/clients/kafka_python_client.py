"""kafka-python against a Kafka broker: the scenarios of features.ts, as confluent_client.py beside this file has them.

A poll must outlast a rebalance: this client (3.0.12) forgets the assignment that comes after its poll has ended, whatever the broker.
"""

import json
import queue
import sys
import threading
import time

import kafka
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, NewPartitions, NewTopic
from kafka.structs import OffsetAndMetadata

import courses

BOOTSTRAP, SCENARIO, NAME = sys.argv[1:4]
GIVEN = json.loads(sys.argv[4]) if len(sys.argv) > 4 else None
CLIENT = {"bootstrap_servers": BOOTSTRAP}
POLL_MS = 3000


def consumer(group=NAME, **options):
    return KafkaConsumer(
        NAME, **CLIENT, group_id=group, auto_offset_reset="earliest", enable_auto_commit=False, session_timeout_ms=10000, **options
    )


def messages(client, count, polls=20):
    """Up to `count` messages, and what comes right behind them."""
    found = []
    while len(found) < count and polls > 0:
        polls -= 1
        for batch in client.poll(POLL_MS).values():
            found.extend(batch)
    return found


def take(client, count, polls=20):
    return [message.value.decode() for message in messages(client, count, polls)]


class Member(threading.Thread):
    """A member of the group that reads until it is closed; a poll of its own holds up no other member."""

    def __init__(self):
        super().__init__(daemon=True)
        self.consumer = consumer()
        self.read = queue.SimpleQueue()
        self.leaves = False
        self.start()

    def run(self):
        while not self.leaves:
            for batch in self.consumer.poll(POLL_MS).values():
                for message in batch:
                    self.read.put(message.value.decode())
        self.consumer.close()

    def assignment(self):
        return self.consumer.assignment()

    def close(self):
        self.leaves = True
        self.join()


def send(values, **options):
    producer = KafkaProducer(**CLIENT, **options)
    for value in values:
        producer.send(NAME, value.encode())
    producer.flush(30)
    producer.close()


def version():
    return kafka.__version__


def records():
    producer = KafkaProducer(**CLIENT)
    for record in GIVEN:
        headers = [(name, value.encode()) for name, value in record["headers"]]
        value, key = record["value"].encode(), record["key"].encode()
        producer.send(NAME, value, key=key, headers=headers, timestamp_ms=record["timestamp"])
    producer.flush(30)
    producer.close()
    reader = consumer()
    found = [
        {
            "key": message.key.decode(),
            "value": message.value.decode(),
            "headers": [[name, value.decode()] for name, value in message.headers],
            "timestamp": message.timestamp,
        }
        for message in messages(reader, len(GIVEN))
    ]
    reader.close()
    return found


def compression():
    codec = None if GIVEN["codec"] == "none" else GIVEN["codec"]
    send(GIVEN["values"], compression_type=codec, linger_ms=200)
    reader = consumer()
    found = take(reader, len(GIVEN["values"]))
    reader.close()
    return found


def rebalance():
    def poll(member):
        time.sleep(0.02)
        return [member.read.get() for _ in range(member.read.qsize())]

    return courses.rebalance(GIVEN, Member, poll, send)


def resume():
    def taken(count):
        reader = consumer()
        values = take(reader, count)
        reader.commit()
        reader.close()
        return values

    return courses.resume(GIVEN, send, taken)


def transactions():
    producer = KafkaProducer(**CLIENT, transactional_id=NAME)
    producer.init_transactions()
    for outcome in GIVEN:
        producer.begin_transaction()
        for value in outcome["values"]:
            producer.send(NAME, value.encode())
        producer.send_offsets_to_transaction({TopicPartition(NAME, 0): OffsetAndMetadata(outcome["offset"], "", -1)}, NAME)
        if outcome["ends"] == "committed":
            producer.commit_transaction()
        else:
            producer.flush(30)
            producer.abort_transaction()
    producer.close()
    reader = consumer(f"{NAME}-readers", isolation_level="read_committed")
    expected = sum(len(outcome["values"]) for outcome in GIVEN if outcome["ends"] == "committed")
    found = take(reader, expected) + take(reader, 1, 1)
    reader.close()
    return found


def admin():
    client = KafkaAdminClient(**CLIENT)
    topic = NewTopic(NAME, 2, 1, topic_configs={"retention.ms": "12345"})

    def partitions():
        if NAME not in client.list_topics():
            return 0
        return len(client.describe_topics([NAME])[0]["partitions"])

    def retention():
        described = client.describe_configs([ConfigResource(ConfigResourceType.TOPIC, NAME)])
        return described["topic"][NAME]["retention.ms"]["value"]

    def change():
        client.create_partitions({NAME: NewPartitions(3)})
        client.alter_configs([ConfigResource(ConfigResourceType.TOPIC, NAME, configs={"retention.ms": "54321"})])

    observed = courses.admin(
        lambda: client.create_topics([topic]), partitions, retention, change, lambda: client.delete_topics([NAME])
    )
    client.close()
    return observed


def times():
    client = KafkaConsumer(**CLIENT)
    partition = TopicPartition(NAME, 0)
    offset = client.offsets_for_times({partition: GIVEN})[partition].offset
    end = client.end_offsets([partition])[partition]
    client.close()
    return {"offset": offset, "end": end}


print(json.dumps(globals()[SCENARIO]()))
