// SPDX-License-Identifier: Apache-2.0
// Starts one KRaft node per properties file, all in this JVM, and stops them on SIGTERM. Several nodes
// in one JVM start in a third of the time and memory of one JVM each; contrib/kafkalab/cluster.py
// decides how many there are. Knows nothing of ports, directories or gateways.

import java.io.FileReader;
import java.io.Reader;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import kafka.server.KafkaConfig;
import kafka.server.KafkaRaftServer;
import org.apache.kafka.common.utils.Time;

public final class KafkaNodes {
	private KafkaNodes() {
	}

	public static void main(String[] files) throws Exception {
		List<KafkaRaftServer> nodes = new ArrayList<>();
		for (String file : files) {
			Properties properties = new Properties();
			try (Reader reader = new FileReader(file)) {
				properties.load(reader);
			}
			nodes.add(new KafkaRaftServer(KafkaConfig.fromProps(properties, false), Time.SYSTEM));
		}
		Runtime.getRuntime().addShutdownHook(new Thread(() -> each(nodes, false)));
		if (!each(nodes, true)) {
			Runtime.getRuntime().halt(1);
		}
		new CountDownLatch(1).await();
	}

	/* The quorum of controllers forms while the nodes start, so they must start, and stop, side by side. */
	private static boolean each(List<KafkaRaftServer> nodes, boolean start) {
		List<Thread> threads = new ArrayList<>();
		boolean[] failed = new boolean[1];
		for (KafkaRaftServer node : nodes) {
			Thread thread = new Thread(() -> {
				try {
					if (start) {
						node.startup();
					} else {
						node.shutdown();
					}
				} catch (Throwable fault) {
					fault.printStackTrace();
					failed[0] = true;
				}
			});
			thread.start();
			threads.add(thread);
		}
		for (Thread thread : threads) {
			try {
				thread.join();
			} catch (InterruptedException e) {
				return false;
			}
		}
		return !failed[0];
	}
}
