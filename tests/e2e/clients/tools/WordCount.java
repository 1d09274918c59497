// SPDX-License-Identifier: Apache-2.0
// Kafka Streams' word count with exactly-once processing, in the environment of CONTRACT.md: lines from RUN-lines are
// split, grouped (a repartition topic), counted (a changelog topic) and written to RUN-counts. Ends when COUNT records
// have come out. The store is in memory, so that no native library is needed.

import java.util.Arrays;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.state.Stores;

public final class WordCount {
	private WordCount() {
	}

	private static Properties properties(String name, String state) {
		Properties properties = new Properties();
		properties.put(StreamsConfig.APPLICATION_ID_CONFIG, name + "-app");
		properties.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, System.getenv("BOOTSTRAP"));
		properties.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
		properties.put(StreamsConfig.STATE_DIR_CONFIG, state);
		properties.put(StreamsConfig.REPLICATION_FACTOR_CONFIG, 1);
		properties.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, 0);
		properties.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 100);
		properties.put(StreamsConfig.DEFAULT_KEY_SERDE_CLASS_CONFIG, Serdes.String().getClass());
		properties.put(StreamsConfig.DEFAULT_VALUE_SERDE_CLASS_CONFIG, Serdes.String().getClass());
		properties.put("auto.offset.reset", "earliest");
		if (System.getenv("SASL_TOKEN") != null) {
			properties.put("security.protocol", "SASL_PLAINTEXT");
			properties.put("sasl.mechanism", "PLAIN");
			properties.put("sasl.jaas.config", "org.apache.kafka.common.security.plain.PlainLoginModule required username='"
					+ System.getenv("SASL_USER") + "' password='" + System.getenv("SASL_TOKEN") + "';");
		}
		return properties;
	}

	public static void main(String[] arguments) throws Exception {
		String name = System.getenv("PREFIX") + System.getenv("RUN");
		CountDownLatch left = new CountDownLatch(Integer.parseInt(arguments[1]));
		StreamsBuilder builder = new StreamsBuilder();
		builder.<String, String>stream(name + "-lines")
				.flatMapValues(line -> Arrays.asList(line.split(" ")))
				.groupBy((key, word) -> word, Grouped.as("words"))
				.count(Materialized.<String, Long>as(Stores.inMemoryKeyValueStore("counts"))
						.withKeySerde(Serdes.String()).withValueSerde(Serdes.Long()))
				.toStream()
				.mapValues(String::valueOf)
				.peek((word, count) -> left.countDown())
				.to(name + "-counts", Produced.with(Serdes.String(), Serdes.String()));
		KafkaStreams streams = new KafkaStreams(builder.build(), properties(name, arguments[0]));
		streams.setUncaughtExceptionHandler(fault -> {
			fault.printStackTrace();
			return StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
		});
		streams.start();
		boolean done = left.await(60, TimeUnit.SECONDS);
		streams.close(java.time.Duration.ofSeconds(20));
		System.exit(done ? 0 : 1);
	}
}
