import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * Produces numbered records to a topic with idempotent producers, while two groups of two consumers
 * each, one of each group protocol, read it from its end as it was before.
 *
 * Arguments: bootstrap servers, topic, number of records. Prints how many are acknowledged, every
 * REPORT_EVERY, and at the end a line of JSON for each group.
 */
public final class KeyedLoad {
    private static final int PRODUCERS = 2;
    private static final int MEMBERS = 2;
    private static final int KEYS_PER_PRODUCER = 10;
    private static final int REPORT_EVERY = 1_000;
    private static final int RECORDS_PER_PAUSE = 20;
    /** A batch of a single record is worth a placeholder. */
    private static final String PADDING = "|" + "payload ".repeat(75);
    private static final Duration POLL = Duration.ofMillis(200);
    private static final long SILENCE_MS_MAX = 60_000;

    /** What the members of a group have got, in the order in which they got it. */
    private static final class Group {
        private final String name;
        private final String protocol;
        private final CountDownLatch assigned = new CountDownLatch(MEMBERS);
        private final AtomicInteger records = new AtomicInteger();
        private final Set<String> distinct = new HashSet<>();
        private final Map<String, Integer> last = new HashMap<>();
        private int outOfOrder;

        private Group(String name, String protocol) {
            this.name = name;
            this.protocol = protocol;
        }

        private synchronized void got(ConsumerRecord<String, String> one) {
            int number = Integer.parseInt(one.value().substring(0, one.value().indexOf('|')));
            distinct.add(one.key() + ":" + number);
            Integer before = last.put(one.key(), number);
            if (before != null && before >= number) outOfOrder++;
            records.incrementAndGet();
        }

        private String describe() {
            return "{\"protocol\":\"" + protocol + "\",\"records\":" + records + ",\"distinct\":"
                + distinct.size() + ",\"outOfOrder\":" + outOfOrder + "}";
        }
    }

    private final String bootstrap;
    private final String topic;
    private final int count;
    private final AtomicInteger acknowledged = new AtomicInteger();

    private KeyedLoad(String bootstrap, String topic, int count) {
        this.bootstrap = bootstrap;
        this.topic = topic;
        this.count = count;
    }

    public static void main(String[] args) throws Exception {
        new KeyedLoad(args[0], args[1], Integer.parseInt(args[2])).run();
    }

    private void run() throws Exception {
        ExecutorService threads = Executors.newCachedThreadPool();
        List<Future<?>> ends = new ArrayList<>();
        List<Group> groups = List.of(
            new Group(topic + "-classic", "classic"),
            new Group(topic + "-consumer", "consumer")
        );
        for (Group group : groups) {
            for (int i = 0; i < MEMBERS; i++) ends.add(threads.submit(ending(() -> consume(group))));
        }
        for (Group group : groups) group.assigned.await();
        for (int i = 0; i < PRODUCERS; i++) {
            String prefix = "producer-" + i + "-";
            ends.add(threads.submit(ending(() -> produce(prefix))));
        }
        for (Future<?> end : ends) end.get();
        for (Group group : groups) System.out.println(group.describe());
        threads.shutdown();
    }

    /** A failure ends the program at once. */
    private static Runnable ending(Callable<Void> part) {
        return () -> {
            try {
                part.call();
            } catch (Throwable e) {
                e.printStackTrace();
                System.exit(1);
            }
        };
    }

    private Void produce(String prefix) throws Exception {
        Map<String, Object> configs = Map.of("bootstrap.servers", bootstrap, "linger.ms", 5);
        try (KafkaProducer<String, String> producer =
                 new KafkaProducer<>(configs, new StringSerializer(), new StringSerializer())) {
            for (int i = 0; i < count / PRODUCERS; i++) {
                String key = prefix + i % KEYS_PER_PRODUCER;
                producer.send(new ProducerRecord<>(topic, key, i + PADDING), (metadata, error) -> {
                    if (error != null) {
                        error.printStackTrace();
                        System.exit(1);
                    }
                    int done = acknowledged.incrementAndGet();
                    if (done % REPORT_EVERY == 0) System.out.println("acknowledged " + done);
                });
                if (i % RECORDS_PER_PAUSE == 0) Thread.sleep(5);
            }
        }
        return null;
    }

    private Void consume(Group group) {
        Map<String, Object> configs = Map.of(
            "bootstrap.servers", bootstrap,
            "group.id", group.name,
            "group.protocol", group.protocol,
            "auto.offset.reset", "earliest"
        );
        boolean isAssigned = false;
        long lastMs = System.currentTimeMillis();
        try (KafkaConsumer<String, String> consumer =
                 new KafkaConsumer<>(configs, new StringDeserializer(), new StringDeserializer())) {
            consumer.subscribe(List.of(topic));
            while (group.records.get() < count) {
                for (ConsumerRecord<String, String> one : consumer.poll(POLL)) {
                    group.got(one);
                    lastMs = System.currentTimeMillis();
                }
                if (!isAssigned && isSharedOut(consumer)) {
                    isAssigned = true;
                    group.assigned.countDown();
                    lastMs = System.currentTimeMillis();
                }
                if (System.currentTimeMillis() - lastMs > SILENCE_MS_MAX) {
                    throw new IllegalStateException(group.name + " has got " + group.describe());
                }
            }
        }
        return null;
    }

    /** Whether the member has its part of the partitions, and not all of them for the time being. */
    private boolean isSharedOut(KafkaConsumer<String, String> consumer) {
        int assigned = consumer.assignment().size();
        return assigned > 0 && assigned < consumer.partitionsFor(topic).size();
    }
}
