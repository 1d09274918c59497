// SPDX-License-Identifier: Apache-2.0
// The steps of CONTRACT.md with Apache Kafka's own Java clients. One source for every version from 2.8 to 4.x: what was
// renamed between them is called by name (renamed()). Start at main(); a step is a row of the table there.

import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.BooleanSupplier;
import java.util.zip.CRC32;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.ConsumerGroupDescription;
import org.apache.kafka.clients.admin.ConsumerGroupListing;
import org.apache.kafka.clients.admin.MemberDescription;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.TopicPartitionInfo;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.ApiException;
import org.apache.kafka.common.protocol.Errors;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

public final class MatrixClient {
	private static final long SETTLE_MS = 10000;
	private static final long WAIT_MS = 40000;
	private static final Set<String> RETRIABLE = new TreeSet<>(Arrays.asList("UNKNOWN_TOPIC_OR_PARTITION",
			"NOT_LEADER_OR_FOLLOWER", "COORDINATOR_NOT_AVAILABLE", "COORDINATOR_LOAD_IN_PROGRESS", "NOT_COORDINATOR",
			"NON_EMPTY_GROUP", "CONCURRENT_TRANSACTIONS"));

	private final String run = System.getenv("RUN");
	private final String prefix = System.getenv("PREFIX");
	private final String readonly = System.getenv("READONLY");
	private final String main = name("main");
	private final String txn = name("txn");
	private final String group = name("group");
	private final String two = name("two");
	private final Admin admin = Admin.create(properties());

	private MatrixClient() {
	}

	public static void main(String[] arguments) {
		MatrixClient client = new MatrixClient();
		client.steps().forEach(client::step);
		client.admin.close();
	}

	private Map<String, Callable<Object>> steps() {
		Map<String, Callable<Object>> steps = new LinkedHashMap<>();
		steps.put("versions", this::versions);
		steps.put("create", () -> create(main, 3));
		steps.put("create-again", () -> create(main, 3));
		steps.put("list", () -> settle(this::list, Arrays.asList("RUN-main")));
		steps.put("describe", () -> describeSettled(main, 3));
		steps.put("describe-config", () -> settle(() -> retention(), "604800000"));
		steps.put("alter-config", this::alterConfig);
		steps.put("describe-config-after", () -> settle(() -> retention(), "123456789"));
		steps.put("create-partitions", this::createPartitions);
		addProduceSteps(steps);
		steps.put("produce-transactional", this::produceTransactional);
		steps.put("consume-assign", this::consumeAssign);
		steps.put("consume-group", this::consumeGroup);
		steps.put("committed", this::committed);
		steps.put("lag", () -> sum(ends()) - committed());
		steps.put("seek", this::seek);
		steps.put("consume-group-two", this::consumeGroupTwo);
		steps.put("list-groups", () -> settle(this::listGroups, Arrays.asList("RUN-group", "RUN-two")));
		steps.put("describe-group", this::describeGroup);
		steps.put("delete-group", this::deleteGroups);
		steps.put("error-unknown-topic", () -> describe(name("none")));
		steps.put("error-too-large", this::tooLarge);
		steps.put("error-illegal-name", () -> create(prefix + run + " a b", 1));
		if (readonly != null) {
			steps.put("denied", () -> produce(readonly, Collections.singletonList(new byte[1])));
		}
		steps.put("delete-topic", this::deleteTopics);
		steps.put("list-after", () -> settle(this::list, Collections.emptyList()));
		return steps;
	}

	private void addProduceSteps(Map<String, Callable<Object>> steps) {
		String[][] rows = {
				{"produce-acks-0", "acks", "0"}, {"produce-acks-1", "acks", "1"}, {"produce-acks-all", "acks", "all"},
				{"produce-none", "compression.type", "none"}, {"produce-gzip", "compression.type", "gzip"},
				{"produce-snappy", "compression.type", "snappy"}, {"produce-lz4", "compression.type", "lz4"},
				{"produce-zstd", "compression.type", "zstd"}, {"produce-idempotent", "enable.idempotence", "true"},
		};
		for (String[] row : rows) {
			steps.put(row[0], () -> produce(main, batch(row[0], 20), row[1], row[2]));
		}
	}

	// -- the frame of a step

	private void step(String name, Callable<Object> call) {
		Object outcome;
		long began = System.nanoTime();
		try {
			outcome = call.call();
		} catch (Exception fault) {
			outcome = named(fault);
		}
		System.out.println("{\"step\": " + json(name) + ", \"outcome\": " + json(outcome) + "}");
		System.err.printf("%s: %.2f s%n", name, (System.nanoTime() - began) / 1e9);
	}

	/* The name of an error that the cluster answered, else "failed: ...". */
	private static String named(Throwable fault) {
		Throwable cause = fault;
		while ((cause instanceof ExecutionException || cause instanceof CompletionException
				|| cause instanceof java.lang.reflect.InvocationTargetException) && cause.getCause() != null) {
			cause = cause.getCause();
		}
		if (cause instanceof ApiException) {
			Errors error = Errors.forException(cause);
			if (error != Errors.UNKNOWN_SERVER_ERROR && error != Errors.REQUEST_TIMED_OUT) {
				return error.name();
			}
		}
		fault.printStackTrace();
		return "failed: " + cause;
	}

	private <T> T settle(Callable<T> call, T wanted) throws Exception {
		long deadline = System.currentTimeMillis() + SETTLE_MS;
		while (true) {
			try {
				T result = call.call();
				if (wanted == null || wanted.equals(result) || System.currentTimeMillis() > deadline) {
					return result;
				}
			} catch (Exception fault) {
				if (System.currentTimeMillis() > deadline || !RETRIABLE.contains(named(fault))) {
					throw fault;
				}
			}
			Thread.sleep(100);
		}
	}

	private String name(String what) {
		return prefix + run + "-" + what;
	}

	private String clean(String text) {
		return (prefix.isEmpty() ? text : text.replace(prefix, "")).replace(run, "RUN");
	}

	private List<String> mine(Collection<String> names) {
		Set<String> found = new TreeSet<>();
		for (String name : names) {
			if (name.contains(run)) {
				found.add(clean(name));
			}
		}
		return new ArrayList<>(found);
	}

	private String json(Object value) {
		if (value instanceof Map) {
			List<String> parts = new ArrayList<>();
			((Map<?, ?>) value).forEach((key, part) -> parts.add(json(key) + ": " + json(part)));
			return "{" + String.join(", ", parts) + "}";
		}
		if (value instanceof Collection) {
			List<String> parts = new ArrayList<>();
			((Collection<?>) value).forEach(part -> parts.add(json(part)));
			return "[" + String.join(", ", parts) + "]";
		}
		if (value instanceof Number || value == null) {
			return String.valueOf(value);
		}
		StringBuilder out = new StringBuilder("\"");
		for (char c : clean(value.toString()).toCharArray()) {
			out.append(c == '"' || c == '\\' ? "\\" + c : c < ' ' ? String.format("\\u%04x", (int) c) : "" + c);
		}
		return out.append('"').toString();
	}

	private static Map<String, Object> map(Object... pairs) {
		Map<String, Object> map = new LinkedHashMap<>();
		for (int i = 0; i < pairs.length; i += 2) {
			map.put((String) pairs[i], pairs[i + 1]);
		}
		return map;
	}

	private static Properties properties(String... pairs) {
		Properties properties = new Properties();
		properties.put("bootstrap.servers", System.getenv("BOOTSTRAP"));
		if (System.getenv("SASL_TOKEN") != null) {
			properties.put("security.protocol", "SASL_PLAINTEXT");
			properties.put("sasl.mechanism", "PLAIN");
			properties.put("sasl.jaas.config", "org.apache.kafka.common.security.plain.PlainLoginModule required username='"
					+ System.getenv("SASL_USER") + "' password='" + System.getenv("SASL_TOKEN") + "';");
		}
		for (int i = 0; i < pairs.length; i += 2) {
			properties.put(pairs[i], pairs[i + 1]);
		}
		return properties;
	}

	private static <T> T get(Future<T> future) throws ExecutionException, InterruptedException, TimeoutException {
		return future.get(WAIT_MS, TimeUnit.MILLISECONDS);
	}

	/* The result of the first of the methods that this version has. */
	private static Object renamed(Object object, String... methods) throws Exception {
		for (String method : methods) {
			try {
				return object.getClass().getMethod(method).invoke(object);
			} catch (NoSuchMethodException absent) {
				// the next name
			}
		}
		throw new NoSuchMethodException(String.join(", ", methods));
	}

	// -- topics

	private Object versions() throws Exception {
		if (get(admin.describeCluster().nodes()).isEmpty()) {
			throw new IllegalStateException("no nodes");
		}
		// Kafka's own class for this has moved with 4.4; the file that it reads has not.
		try (InputStream file = Admin.class.getResourceAsStream("/kafka/kafka-version.properties")) {
			Properties told = new Properties();
			told.load(file);
			return told.getProperty("version");
		}
	}

	private Object create(String topic, int partitions) throws Exception {
		get(admin.createTopics(Collections.singleton(new NewTopic(topic, partitions, (short) 1))).all());
		return "ok";
	}

	private List<String> list() throws Exception {
		return mine(get(admin.listTopics().names()));
	}

	private Map<String, Object> describe(String topic) throws Exception {
		@SuppressWarnings("unchecked")
		Future<Map<String, TopicDescription>> future = (Future<Map<String, TopicDescription>>) renamed(
				admin.describeTopics(Collections.singleton(topic)), "allTopicNames", "all");
		int led = 0;
		List<TopicPartitionInfo> partitions = get(future).get(topic).partitions();
		for (TopicPartitionInfo partition : partitions) {
			led += partition.leader() != null && !partition.leader().isEmpty() ? 1 : 0;
		}
		return map("partitions", led, "replicas", partitions.get(0).replicas().size());
	}

	private Map<String, Object> describeSettled(String topic, int partitions) throws Exception {
		return settle(() -> describe(topic), map("partitions", partitions, "replicas", 1));
	}

	private ConfigResource resource() {
		return new ConfigResource(ConfigResource.Type.TOPIC, main);
	}

	private String retention() throws Exception {
		return get(admin.describeConfigs(Collections.singleton(resource())).all()).get(resource()).get("retention.ms").value();
	}

	private Object alterConfig() throws Exception {
		AlterConfigOp set = new AlterConfigOp(new ConfigEntry("retention.ms", "123456789"), AlterConfigOp.OpType.SET);
		settle(() -> get(admin.incrementalAlterConfigs(Collections.singletonMap(resource(), Collections.singleton(set))).all()),
				null);
		return "ok";
	}

	private Object createPartitions() throws Exception {
		settle(() -> get(admin.createPartitions(Collections.singletonMap(main, NewPartitions.increaseTo(4))).all()), null);
		Object led = describeSettled(main, 4).get("partitions");
		Thread.sleep(1000); // for the brokers that were not asked
		return led;
	}

	private Object deleteTopics() throws Exception {
		get(admin.deleteTopics(Arrays.asList(main, txn)).all());
		return "ok";
	}

	// -- producing

	private static KafkaProducer<byte[], byte[]> producer(String... pairs) {
		Properties properties = properties("acks", "all", "enable.idempotence", "false", "linger.ms", "5",
				"delivery.timeout.ms", "30000", "request.timeout.ms", "20000", "max.block.ms", "30000");
		for (int i = 0; i < pairs.length; i += 2) {
			properties.put(pairs[i], pairs[i + 1]);
		}
		return new KafkaProducer<>(properties, new ByteArraySerializer(), new ByteArraySerializer());
	}

	private static List<byte[]> batch(String word, int count) {
		List<byte[]> values = new ArrayList<>();
		for (int i = 0; i < count; i++) {
			values.add(String.format("%s-%04d", word, i).getBytes(StandardCharsets.UTF_8));
		}
		return values;
	}

	private static Object produce(String topic, List<byte[]> values, String... pairs) throws Exception {
		int done = 0;
		try (KafkaProducer<byte[], byte[]> producer = producer(pairs)) {
			List<Future<RecordMetadata>> futures = new ArrayList<>();
			for (int i = 0; i < values.size(); i++) {
				futures.add(producer.send(new ProducerRecord<>(topic, values.size() > 1 ? i % 4 : 0, null, values.get(i))));
			}
			for (Future<RecordMetadata> future : futures) {
				get(future);
				done++;
			}
		}
		return done;
	}

	private Object tooLarge() throws Exception {
		byte[] value = new byte[1500000];
		Arrays.fill(value, (byte) 'x');
		return produce(main, Collections.singletonList(value), "max.request.size", "4000000");
	}

	private Object produceTransactional() throws Exception {
		create(txn, 1);
		describeSettled(txn, 1);
		try (KafkaProducer<byte[], byte[]> producer = producer("enable.idempotence", "true", "transactional.id", name("tid"))) {
			producer.initTransactions();
			transaction(producer, batch("committed", 10), true);
			transaction(producer, batch("aborted", 10), false);
			transaction(producer, batch("last", 1), true);
		}
		List<String> seen = new ArrayList<>();
		try (KafkaConsumer<byte[], byte[]> consumer = reader(txn, 1, "isolation.level", "read_committed")) {
			read(Collections.singletonList(consumer), () -> seen.contains("last-0000"), record -> seen.add(text(record)));
		}
		return map("committed", seen.stream().filter(v -> v.startsWith("committed")).count(),
				"aborted", seen.stream().filter(v -> v.startsWith("aborted")).count());
	}

	private void transaction(KafkaProducer<byte[], byte[]> producer, List<byte[]> values, boolean commit) {
		producer.beginTransaction();
		for (byte[] value : values) {
			producer.send(new ProducerRecord<>(txn, 0, null, value));
		}
		producer.flush();
		if (commit) {
			producer.commitTransaction();
		} else {
			producer.abortTransaction();
		}
	}

	// -- consuming

	private interface Take {
		void record(ConsumerRecord<byte[], byte[]> record);
	}

	private static String text(ConsumerRecord<byte[], byte[]> record) {
		return new String(record.value(), StandardCharsets.UTF_8);
	}

	private static KafkaConsumer<byte[], byte[]> consumer(String... pairs) {
		Properties properties = properties("enable.auto.commit", "false", "auto.offset.reset", "earliest");
		for (int i = 0; i < pairs.length; i += 2) {
			properties.put(pairs[i], pairs[i + 1]);
		}
		return new KafkaConsumer<>(properties, new ByteArrayDeserializer(), new ByteArrayDeserializer());
	}

	private static KafkaConsumer<byte[], byte[]> reader(String topic, int partitions, String... pairs) {
		KafkaConsumer<byte[], byte[]> consumer = consumer(pairs);
		List<TopicPartition> assigned = new ArrayList<>();
		for (int i = 0; i < partitions; i++) {
			assigned.add(new TopicPartition(topic, i));
		}
		consumer.assign(assigned);
		consumer.seekToBeginning(assigned);
		return consumer;
	}

	private KafkaConsumer<byte[], byte[]> member(String inGroup) {
		KafkaConsumer<byte[], byte[]> consumer = consumer("group.id", inGroup);
		consumer.subscribe(Collections.singleton(main));
		return consumer;
	}

	/* Polls all in turn until done. */
	private static void read(List<KafkaConsumer<byte[], byte[]>> consumers, BooleanSupplier done, Take take) throws Exception {
		long deadline = System.currentTimeMillis() + WAIT_MS;
		while (!done.getAsBoolean()) {
			if (System.currentTimeMillis() > deadline) {
				throw new TimeoutException("not done after " + WAIT_MS + " ms");
			}
			for (KafkaConsumer<byte[], byte[]> consumer : consumers) {
				consumer.poll(Duration.ofMillis(200)).forEach(take::record);
			}
		}
	}

	/* Everything up to the ends; the records by partition and offset. */
	private static Map<String, String> readAll(KafkaConsumer<byte[], byte[]> consumer, int count) throws Exception {
		Map<String, String> found = new TreeMap<>();
		read(Collections.singletonList(consumer), () -> found.size() >= count,
				record -> found.put(String.format("%d/%06d", record.partition(), record.offset()), text(record)));
		return found;
	}

	private Map<TopicPartition, Long> ends() throws Exception {
		Map<TopicPartition, OffsetSpec> wanted = new LinkedHashMap<>();
		for (int i = 0; i < 4; i++) {
			wanted.put(new TopicPartition(main, i), OffsetSpec.latest());
		}
		Map<TopicPartition, Long> ends = new LinkedHashMap<>();
		get(admin.listOffsets(wanted).all()).forEach((partition, told) -> ends.put(partition, told.offset()));
		return ends;
	}

	private static long sum(Map<TopicPartition, Long> offsets) {
		return offsets.values().stream().mapToLong(offset -> offset).sum();
	}

	private static Map<String, Object> total(Collection<String> values) {
		CRC32 crc = new CRC32();
		Set<String> distinct = new TreeSet<>(values); // ASCII: the order of chars is that of bytes
		for (String value : distinct) {
			crc.update((value + "\n").getBytes(StandardCharsets.UTF_8));
		}
		return map("count", distinct.size(), "checksum", String.format("%08x", crc.getValue()));
	}

	private Object consumeAssign() throws Exception {
		try (KafkaConsumer<byte[], byte[]> consumer = reader(main, 4)) {
			return total(readAll(consumer, (int) sum(ends())).values());
		}
	}

	private Object consumeGroup() throws Exception {
		try (KafkaConsumer<byte[], byte[]> consumer = member(group)) {
			Map<String, String> found = readAll(consumer, (int) sum(ends()));
			consumer.commitSync();
			return total(found.values());
		}
	}

	private long committed() throws Exception {
		return get(admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata()).values().stream()
				.mapToLong(told -> told.offset()).sum();
	}

	private Object seek() throws Exception {
		try (KafkaConsumer<byte[], byte[]> consumer = reader(main, 1)) {
			TopicPartition partition = new TopicPartition(main, 0);
			consumer.seek(partition, 3);
			Map<String, String> found = readAll(consumer, (int) (ends().get(partition) - 3));
			return map("first", found.values().iterator().next(), "count", found.size());
		}
	}

	private Object consumeGroupTwo() throws Exception {
		List<KafkaConsumer<byte[], byte[]>> members = new ArrayList<>();
		Map<String, String> found = new TreeMap<>();
		Take take = record -> found.put(record.partition() + "/" + record.offset(), text(record));
		long all = sum(ends());
		try {
			members.add(member(two));
			read(members, () -> members.get(0).assignment().size() == 4, take);
			members.add(member(two));
			read(members, () -> members.get(0).assignment().size() == 2 && members.get(1).assignment().size() == 2
					&& found.size() >= all, take);
			List<Integer> owned = new ArrayList<>();
			int busy = 0;
			for (KafkaConsumer<byte[], byte[]> member : members) {
				member.assignment().forEach(partition -> owned.add(partition.partition()));
				busy += member.assignment().isEmpty() ? 0 : 1;
			}
			Collections.sort(owned);
			Map<String, Object> outcome = map("members", busy, "partitions", owned);
			outcome.putAll(total(found.values()));
			return outcome;
		} finally {
			members.forEach(KafkaConsumer::close);
		}
	}

	// -- groups

	private List<String> listGroups() throws Exception {
		List<String> names = new ArrayList<>();
		for (ConsumerGroupListing listing : get(admin.listConsumerGroups().all())) {
			names.add(listing.groupId());
		}
		return mine(names);
	}

	private Object describeGroup() throws Exception {
		try (KafkaConsumer<byte[], byte[]> consumer = member(group)) {
			read(Collections.singletonList(consumer), () -> consumer.assignment().size() == 4, record -> { });
			ConsumerGroupDescription told = settle(
					() -> get(admin.describeConsumerGroups(Collections.singleton(group)).all()).get(group), null);
			Set<String> topics = new TreeSet<>();
			for (MemberDescription member : told.members()) {
				member.assignment().topicPartitions().forEach(partition -> topics.add(partition.topic()));
			}
			return map("state", renamed(told, "groupState", "state").toString(), "members", told.members().size(),
					"topics", topics);
		}
	}

	private Object deleteGroups() throws Exception {
		settle(() -> get(admin.deleteConsumerGroups(Collections.singleton(group)).all()), null);
		settle(() -> get(admin.deleteConsumerGroups(Collections.singleton(two)).all()), null);
		return "ok";
	}
}
