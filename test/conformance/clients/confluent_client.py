"""confluent-kafka (librdkafka) against a Kafka broker: one function for each scenario, named on the command line after the broker.

Topic, group and transactional id are the third argument, what is to be sent is the fourth one, as JSON. Prints what was
observed as JSON; the test that started it judges. The scenarios are those of features.ts, and a few of its own.
"""

import json
import sys

import confluent_kafka
from confluent_kafka import OFFSET_END, Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, NewPartitions, NewTopic, ResourceType

import courses

BOOTSTRAP, SCENARIO, NAME = sys.argv[1:4]
GIVEN = json.loads(sys.argv[4]) if len(sys.argv) > 4 else None
CLIENT = {"bootstrap.servers": BOOTSTRAP}


def consumer(group=NAME, topic=NAME, **options):
    client = Consumer(
        {
            **CLIENT,
            "group.id": group,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "session.timeout.ms": 10000,
            **options,
        }
    )
    client.subscribe([topic])
    return client


def messages(client, count, rounds=300):
    """Up to `count` messages, and what comes right behind them."""
    found = []
    while len(found) < count and rounds > 0:
        rounds -= 1
        message = client.poll(0.2)
        if message is None:
            continue
        if message.error():
            raise KafkaException(message.error())
        found.append(message)
    return found


def take(client, count, rounds=300):
    return [message.value().decode() for message in messages(client, count, rounds)]


def send(values, **options):
    producer = Producer({**CLIENT, **options})
    for value in values:
        producer.produce(NAME, value)
    producer.flush(30)


def create(topic, partitions=1, **config):
    admin = AdminClient(CLIENT)
    for future in admin.create_topics([NewTopic(topic, partitions, 1, config=config)]).values():
        future.result(30)
    return admin


def version():
    return f"{confluent_kafka.__version__}, librdkafka {confluent_kafka.libversion()[0]}"


def records():
    producer = Producer(CLIENT)
    for record in GIVEN:
        headers = [(name, value) for name, value in record["headers"]]
        producer.produce(NAME, record["value"], record["key"], headers=headers, timestamp=record["timestamp"])
    producer.flush(30)
    reader = consumer()
    found = [
        {
            "key": message.key().decode(),
            "value": message.value().decode(),
            "headers": [[name, value.decode()] for name, value in message.headers()],
            "timestamp": message.timestamp()[1],
        }
        for message in messages(reader, len(GIVEN))
    ]
    reader.close()
    return found


def compression():
    send(GIVEN["values"], **{"compression.type": GIVEN["codec"], "linger.ms": 200})
    reader = consumer()
    found = take(reader, len(GIVEN["values"]))
    reader.close()
    return found


def rebalance():
    def poll(member):
        message = member.poll(0.05)
        return [] if message is None or message.error() else [message.value().decode()]

    return courses.rebalance(GIVEN, consumer, poll, send)


def resume():
    def taken(count):
        reader = consumer()
        values = take(reader, count)
        reader.commit(asynchronous=False)
        reader.close()
        return values

    return courses.resume(GIVEN, send, taken)


def transactions():
    producer = Producer({**CLIENT, "transactional.id": NAME})
    producer.init_transactions(30)
    group = Consumer({**CLIENT, "group.id": NAME}).consumer_group_metadata()
    for outcome in GIVEN:
        producer.begin_transaction()
        for value in outcome["values"]:
            producer.produce(NAME, value)
        producer.send_offsets_to_transaction([TopicPartition(NAME, 0, outcome["offset"])], group, 30)
        if outcome["ends"] == "committed":
            producer.commit_transaction(30)
        else:
            producer.flush(30)
            producer.abort_transaction(30)
    reader = consumer(f"{NAME}-readers", **{"isolation.level": "read_committed"})
    expected = sum(len(outcome["values"]) for outcome in GIVEN if outcome["ends"] == "committed")
    found = take(reader, expected) + take(reader, 1, 10)
    reader.close()
    return found


def admin():
    client = AdminClient(CLIENT)
    resource = ConfigResource(ResourceType.TOPIC, NAME)

    def partitions():
        topic = client.list_topics(timeout=30).topics.get(NAME)
        return 0 if topic is None else len(topic.partitions)

    def retention():
        return client.describe_configs([resource])[resource].result(30)["retention.ms"].value

    def change():
        for future in client.create_partitions([NewPartitions(NAME, 3)]).values():
            future.result(30)
        setting = ConfigEntry("retention.ms", "54321", incremental_operation=AlterConfigOpType.SET)
        altered = ConfigResource(ResourceType.TOPIC, NAME, incremental_configs=[setting])
        client.incremental_alter_configs([altered])[altered].result(30)

    def remove():
        for future in client.delete_topics([NAME]).values():
            future.result(30)

    return courses.admin(lambda: create(NAME, 2, **{"retention.ms": "12345"}), partitions, retention, change, remove)


def times():
    client = Consumer({**CLIENT, "group.id": NAME})
    offset = client.offsets_for_times([TopicPartition(NAME, 0, GIVEN)], 30)[0].offset
    end = client.offsets_for_times([TopicPartition(NAME, 0, OFFSET_END)], 30)[0].offset
    return {"offset": offset, "end": end}


def fencing():
    """A second producer of the same id fences the first."""
    create(NAME)
    options = {**CLIENT, "transactional.id": NAME}
    producer = Producer(options)
    producer.init_transactions(30)
    producer.begin_transaction()
    producer.produce(NAME, "open")
    producer.flush(30)
    Producer(options).init_transactions(30)
    try:
        producer.commit_transaction(30)
        return "committed"
    except KafkaException as error:
        code = error.args[0].code()
        fenced = (KafkaError._FENCED, KafkaError.PRODUCER_FENCED, KafkaError.INVALID_PRODUCER_EPOCH)
        return "fenced" if code in fenced else str(error)


def copy():
    """Topic to topic, records and offsets in one transaction; the aborted round is done again."""
    source_topic, target_topic = f"{NAME}-source", f"{NAME}-target"
    create(source_topic)
    create(target_topic)
    filler = Producer(CLIENT)
    for number in range(20):
        filler.produce(source_topic, f"v{number}")
    filler.flush(30)
    producer = Producer({**CLIENT, "transactional.id": NAME})
    producer.init_transactions(30)
    for outcome in ("abort", "commit"):
        source = consumer(topic=source_topic, **{"isolation.level": "read_committed"})
        producer.begin_transaction()
        for value in take(source, 20):
            producer.produce(target_topic, value.upper())
        position = source.position(source.assignment())
        producer.send_offsets_to_transaction(position, source.consumer_group_metadata(), 30)
        if outcome == "commit":
            producer.commit_transaction(30)
        else:
            producer.abort_transaction(30)
        source.close()
    target = consumer(f"{NAME}-readers", target_topic, **{"isolation.level": "read_committed"})
    values = take(target, 20) + take(target, 1, 10)
    target.close()
    source = consumer(topic=source_topic)
    committed = source.committed([TopicPartition(source_topic, 0)])[0].offset
    source.close()
    return {"values": values, "committed": committed}


def groups():
    """What tools ask of groups, and what is refused."""
    client = create(NAME, 2)
    reader = consumer()
    courses.until(reader.assignment, lambda: reader.poll(0.1))
    described = client.describe_consumer_groups([NAME])[NAME].result(30)
    listed = [group.group_id for group in client.list_consumer_groups().result(30).valid]
    low, high = reader.get_watermark_offsets(TopicPartition(NAME, 0), 30)
    reader.close()
    errors = {}
    for label, topic, replicas in (("bad name", "bad name!", 1), ("there", NAME, 1), ("replicas", f"{NAME}-3", 3)):
        try:
            client.create_topics([NewTopic(topic, 1, replicas)])[topic].result(30)
            errors[label] = None
        except KafkaException as error:
            errors[label] = error.args[0].name()
    for future in client.delete_consumer_groups([NAME]).values():
        future.result(30)
    return {
        "state": described.state.name,
        "members": len(described.members),
        "listed": NAME in listed,
        "watermarks": [low, high],
        "errors": errors,
    }


print(json.dumps(globals()[SCENARIO]()))
