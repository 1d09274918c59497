#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""One client that stays open: a producer of numbered records or a group consumer, as a process.

Prints one JSON line per record, {"n": number, "t": seconds since the epoch, ...}, when it is
acknowledged or read, and {"fault": ...} for what the library reports.  SIGTERM ends it in order: a
producer waits for what is in flight.  load.py starts these; kcat and the Java tools are programs of
their own.
"""

import argparse
import asyncio
import json
import logging
import signal
import sys
import time

from drivers.base import Target

# A consumer that asked a broker before the new topic had spread to it asks again after so long, and not after the
# five minutes that both Python clients wait by themselves.
METADATA_MS = 2000

ended = False


def say(**line):
    """One line of the report."""
    line.setdefault("t", time.time())
    print(json.dumps(line), flush=True)


def end(_number, _frame):
    """SIGTERM: leave the loop, then close in order."""
    global ended
    ended = True


def paced(rate):
    """0, 1, 2 ... at `rate` a second until SIGTERM."""
    number, start = 0, time.monotonic()
    while not ended:
        yield number
        number += 1
        time.sleep(max(0, start + number / rate - time.monotonic()))


def confluent_produce(args, target):
    """confluent-kafka, plain settings but for a short linger."""
    from confluent_kafka import Producer
    producer = Producer(target.librdkafka(acks="all", error_cb=lambda e: say(fault=str(e)), **{"linger.ms": 5}))

    def report(error, message):
        if error:
            say(fault=str(error), n=int(message.value()))
        else:
            say(n=int(message.value()), p=message.partition(), o=message.offset())

    for number in paced(args.rate):
        producer.produce(args.topic, str(number).encode(), on_delivery=report)
        producer.poll(0)
    producer.flush(60)


def confluent_consume(args, target):
    """confluent-kafka."""
    from confluent_kafka import Consumer
    consumer = Consumer(target.librdkafka(**{
        "group.id": args.group, "auto.offset.reset": "earliest", "error_cb": lambda e: say(fault=str(e))}))
    consumer.subscribe([args.topic])
    while not ended:
        message = consumer.poll(0.2)
        if message is None:
            continue
        if message.error():
            say(fault=str(message.error()))
        else:
            say(n=int(message.value()), p=message.partition(), o=message.offset())
    consumer.close()


def kpython_produce(args, target):
    """kafka-python."""
    from kafka import KafkaProducer
    producer = KafkaProducer(**target.python(acks="all", linger_ms=5))

    def sent(number):
        future = producer.send(args.topic, str(number).encode())
        future.add_callback(lambda meta: say(n=number, p=meta.partition, o=meta.offset))
        future.add_errback(lambda fault: say(fault=repr(fault), n=number))

    for number in paced(args.rate):
        sent(number)
    producer.flush(timeout=60)
    producer.close(timeout=5)


def kpython_consume(args, target):
    """kafka-python."""
    from kafka import KafkaConsumer
    consumer = KafkaConsumer(args.topic, **target.python(
        group_id=args.group, auto_offset_reset="earliest", metadata_max_age_ms=METADATA_MS))
    while not ended:
        for records in consumer.poll(timeout_ms=200).values():
            for record in records:
                say(n=int(record.value), p=record.partition, o=record.offset)
    consumer.close()


def aio_produce(args, target):
    """aiokafka."""
    from aiokafka import AIOKafkaProducer

    async def work():
        producer = AIOKafkaProducer(**target.python(acks="all", linger_ms=5))
        await producer.start()
        waiting = set()

        async def one(number):
            try:
                meta = await producer.send_and_wait(args.topic, str(number).encode())
                say(n=number, p=meta.partition, o=meta.offset)
            except Exception as fault:  # whatever the library raises is what the test wants to see
                say(fault=repr(fault), n=number)

        number, start = 0, time.monotonic()
        while not ended:
            task = asyncio.ensure_future(one(number))
            waiting.add(task)
            task.add_done_callback(waiting.discard)
            number += 1
            await asyncio.sleep(max(0, start + number / args.rate - time.monotonic()))
        if waiting:
            await asyncio.wait(waiting, timeout=60)
        await producer.stop()

    asyncio.run(work())


def aio_consume(args, target):
    """aiokafka."""
    from aiokafka import AIOKafkaConsumer

    async def work():
        consumer = AIOKafkaConsumer(args.topic, **target.python(
            group_id=args.group, auto_offset_reset="earliest", metadata_max_age_ms=METADATA_MS))
        await consumer.start()
        while not ended:
            for records in (await consumer.getmany(timeout_ms=200)).values():
                for record in records:
                    say(n=int(record.value), p=record.partition, o=record.offset)
        await consumer.stop()

    asyncio.run(work())


CLIENTS = {
    "confluent-kafka": (confluent_produce, confluent_consume),
    "kafka-python": (kpython_produce, kpython_consume),
    "aiokafka": (aio_produce, aio_consume),
}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("client", choices=CLIENTS)
    parser.add_argument("mode", choices=["produce", "consume"])
    for name in ("bootstrap", "user", "token", "topic", "group"):
        parser.add_argument("--" + name)
    parser.add_argument("--rate", type=float, default=50)
    args = parser.parse_args()
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING)
    signal.signal(signal.SIGTERM, end)
    CLIENTS[args.client][args.mode == "consume"](args, Target(args.bootstrap, args.user, args.token))


if __name__ == "__main__":
    main()
