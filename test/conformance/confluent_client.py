"""confluent-kafka (librdkafka) against a Kafka broker: one function for each scenario, named on the command line.

Prints one JSON object with what was observed; the test that started it judges.
"""

import json
import sys

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, NewPartitions, NewTopic, ResourceType

BOOTSTRAP = sys.argv[1]


def consumer(group, **options):
    return Consumer(
        {
            "bootstrap.servers": BOOTSTRAP,
            "group.id": group,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "session.timeout.ms": 10000,
            **options,
        }
    )


def take(client, count, rounds=150):
    """Up to `count` messages, and what comes right behind them."""
    values = []
    while len(values) < count and rounds > 0:
        rounds -= 1
        message = client.poll(0.2)
        if message is None:
            continue
        if message.error():
            raise KafkaException(message.error())
        values.append(message.value().decode())
    return values


def create(topic, partitions=1, **config):
    admin = AdminClient({"bootstrap.servers": BOOTSTRAP})
    for future in admin.create_topics([NewTopic(topic, partitions, 1, config=config)]).values():
        future.result(30)
    return admin


def group():
    """A group reads, commits, and a later member of it goes on where it was."""
    create("py-group", 3)
    producer = Producer({"bootstrap.servers": BOOTSTRAP, "compression.type": "lz4"})
    for number in range(60):
        producer.produce("py-group", f"v{number}", key=str(number))
    producer.flush(30)
    first = consumer("py-readers")
    first.subscribe(["py-group"])
    read = take(first, 60)
    first.commit(asynchronous=False)
    first.close()
    for number in range(60, 70):
        producer.produce("py-group", f"v{number}", key=str(number))
    producer.flush(30)
    second = consumer("py-readers")
    second.subscribe(["py-group"])
    resumed = take(second, 10)
    committed = second.committed([TopicPartition("py-group", partition) for partition in range(3)])
    second.close()
    return {"read": sorted(read), "resumed": sorted(resumed), "committed": sum(tp.offset for tp in committed)}


def share():
    """Two members share the partitions of a topic."""
    create("py-share", 4)
    members = [consumer("py-sharers"), consumer("py-sharers")]
    for member in members:
        member.subscribe(["py-share"])
    for _ in range(200):
        for member in members:
            member.poll(0.05)
        if [len(member.assignment()) for member in members] == [2, 2]:
            break
    shared = [sorted(tp.partition for tp in member.assignment()) for member in members]
    for member in members:
        member.close()
    return {"shared": sorted(shared)}


def transaction():
    """Committed records are seen, aborted ones are not; a second producer of the same id fences the first."""
    create("py-transaction")
    options = {"bootstrap.servers": BOOTSTRAP, "transactional.id": "py-tx"}
    producer = Producer(options)
    producer.init_transactions(30)
    for outcome in ("aborted", "committed", "aborted", "committed"):
        producer.begin_transaction()
        for number in range(5):
            producer.produce("py-transaction", f"{outcome} {number}")
        if outcome == "committed":
            producer.commit_transaction(30)
        else:
            producer.flush(30)
            producer.abort_transaction(30)
    producer.begin_transaction()
    producer.produce("py-transaction", "open")
    producer.flush(30)
    second = Producer(options)
    second.init_transactions(30)
    try:
        producer.commit_transaction(30)
        fenced = False
    except KafkaException as error:
        fenced = error.args[0].code() in (KafkaError._FENCED, KafkaError.PRODUCER_FENCED, KafkaError.INVALID_PRODUCER_EPOCH)
    committed = consumer("py-committed", **{"isolation.level": "read_committed"})
    committed.subscribe(["py-transaction"])
    uncommitted = consumer("py-uncommitted", **{"isolation.level": "read_uncommitted"})
    uncommitted.subscribe(["py-transaction"])
    seen = {"committed": take(committed, 11, 40), "uncommitted": len(take(uncommitted, 21)), "fenced": fenced}
    committed.close()
    uncommitted.close()
    return seen


def copy():
    """Topic to topic, records and offsets in one transaction; the aborted round is done again."""
    create("py-source")
    create("py-target")
    filler = Producer({"bootstrap.servers": BOOTSTRAP})
    for number in range(20):
        filler.produce("py-source", f"v{number}")
    filler.flush(30)
    producer = Producer({"bootstrap.servers": BOOTSTRAP, "transactional.id": "py-copy"})
    producer.init_transactions(30)
    for outcome in ("abort", "commit"):
        source = consumer("py-copiers", **{"isolation.level": "read_committed"})
        source.subscribe(["py-source"])
        producer.begin_transaction()
        for value in take(source, 20):
            producer.produce("py-target", value.upper())
        position = source.position(source.assignment())
        producer.send_offsets_to_transaction(position, source.consumer_group_metadata(), 30)
        if outcome == "commit":
            producer.commit_transaction(30)
        else:
            producer.abort_transaction(30)
        source.close()
    target = consumer("py-target-readers", **{"isolation.level": "read_committed"})
    target.subscribe(["py-target"])
    values = take(target, 21, 60)
    target.close()
    source = consumer("py-copiers")
    committed = source.committed([TopicPartition("py-source", 0)])[0].offset
    source.close()
    return {"values": values, "committed": committed}


def admin():
    """What tools ask for: topics, settings, partitions, groups."""
    client = create("py-admin", 2, **{"retention.ms": "12345"})
    resource = ConfigResource(ResourceType.TOPIC, "py-admin")
    configs = client.describe_configs([resource])[resource].result(30)
    for future in client.create_partitions([NewPartitions("py-admin", 5)]).values():
        future.result(30)
    metadata = client.list_topics("py-admin", 30).topics["py-admin"]
    reader = consumer("py-admin-group")
    reader.subscribe(["py-admin"])
    for _ in range(100):
        reader.poll(0.1)
        if reader.assignment():
            break
    described = client.describe_consumer_groups(["py-admin-group"])["py-admin-group"].result(30)
    groups = [group.group_id for group in client.list_consumer_groups().result(30).valid]
    reader.close()
    low, high = consumer("py-none").get_watermark_offsets(TopicPartition("py-admin", 0), 30)
    errors = {}
    for name, options in {"bad name!": {}, "py-admin": {}, "py-rf": {"replication_factor": 3}}.items():
        topic = NewTopic(name, num_partitions=1, **{"replication_factor": 1, **options})
        try:
            client.create_topics([topic])[name].result(30)
            errors[name] = None
        except KafkaException as error:
            errors[name] = error.args[0].name()
    for future in client.delete_consumer_groups(["py-admin-group"]).values():
        future.result(30)
    for future in client.delete_topics(["py-admin"]).values():
        future.result(30)
    return {
        "retention": configs["retention.ms"].value,
        "settings": len(configs),
        "partitions": len(metadata.partitions),
        "state": described.state.name,
        "members": len(described.members),
        "listed": "py-admin-group" in groups,
        "watermarks": [low, high],
        "errors": errors,
        "deleted": "py-admin" not in client.list_topics(timeout=30).topics,
    }


SCENARIOS = {"group": group, "share": share, "transaction": transaction, "copy": copy, "admin": admin}

print(json.dumps(SCENARIOS[sys.argv[2]]()))
