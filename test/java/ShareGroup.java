import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.consumer.AcknowledgeType;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaShareConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * Two share groups of two consumers each read a topic while it is written. One group accepts all;
 * the other releases some records when it gets them first, and rejects others.
 *
 * Arguments: bootstrap servers, topic, number of records. Prints a line of JSON for each group.
 */
public final class ShareGroup {
    private static final int MEMBERS = 2;
    private static final int RELEASED_OF_TEN = 3;
    private static final int REJECTED_OF_TEN = 7;
    private static final String PADDING = "|" + "payload ".repeat(40);
    private static final Duration POLL = Duration.ofMillis(500);
    /** Polls after the last record, in which nothing may come again. */
    private static final int LAST_POLLS = 3;
    private static final long SILENCE_MS_MAX = 60_000;

    private final String bootstrap;
    private final String topic;
    private final int count;

    private ShareGroup(String bootstrap, String topic, int count) {
        this.bootstrap = bootstrap;
        this.topic = topic;
        this.count = count;
    }

    public static void main(String[] args) throws Exception {
        new ShareGroup(args[0], args[1], Integer.parseInt(args[2])).run();
    }

    private void run() throws Exception {
        List<Group> groups = List.of(new Group("accepting", false), new Group("choosy", true));
        for (Group group : groups) readFromBeginning(group.name);
        ExecutorService threads = Executors.newCachedThreadPool();
        List<Future<?>> ends = new ArrayList<>();
        for (Group group : groups) {
            for (int i = 0; i < MEMBERS; i++) ends.add(threads.submit(group::consume));
        }
        produce();
        for (Future<?> end : ends) end.get();
        for (Group group : groups) System.out.println(group.describe());
        threads.shutdown();
    }

    private void readFromBeginning(String group) throws Exception {
        ConfigResource resource = new ConfigResource(ConfigResource.Type.GROUP, group);
        ConfigEntry earliest = new ConfigEntry("share.auto.offset.reset", "earliest");
        AlterConfigOp set = new AlterConfigOp(earliest, AlterConfigOp.OpType.SET);
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", bootstrap))) {
            admin.incrementalAlterConfigs(Map.of(resource, List.of(set))).all().get();
        }
    }

    private void produce() {
        for (String codec : List.of("none", "zstd")) {
            Map<String, Object> configs = Map.of("bootstrap.servers", bootstrap, "compression.type", codec);
            try (KafkaProducer<String, String> producer =
                     new KafkaProducer<>(configs, new StringSerializer(), new StringSerializer())) {
                for (int i = 0; i < count / 2; i++) {
                    int number = codec.equals("none") ? i : i + count / 2;
                    producer.send(new ProducerRecord<>(topic, "key-" + number % 50, number + PADDING));
                }
            }
        }
    }

    private final class Group {
        private final String name;
        private final boolean isChoosy;
        private final Map<Integer, AtomicInteger> deliveries = new ConcurrentHashMap<>();
        /** Records that are not to come again. */
        private final AtomicInteger done = new AtomicInteger();

        private Group(String kind, boolean isChoosy) {
            this.name = topic + "-" + kind;
            this.isChoosy = isChoosy;
        }

        private void consume() {
            Map<String, Object> configs = new HashMap<>();
            configs.put("bootstrap.servers", bootstrap);
            configs.put("group.id", name);
            configs.put("share.acknowledgement.mode", "explicit");
            long lastMs = System.currentTimeMillis();
            int lastPolls = 0;
            try (KafkaShareConsumer<String, String> consumer =
                     new KafkaShareConsumer<>(configs, new StringDeserializer(), new StringDeserializer())) {
                consumer.subscribe(List.of(topic));
                while (lastPolls < LAST_POLLS) {
                    if (done.get() >= count) lastPolls++;
                    for (ConsumerRecord<String, String> one : consumer.poll(POLL)) {
                        consumer.acknowledge(one, got(one));
                        lastMs = System.currentTimeMillis();
                    }
                    consumer.commitSync();
                    if (System.currentTimeMillis() - lastMs > SILENCE_MS_MAX) {
                        throw new IllegalStateException(name + " has got " + describe());
                    }
                }
            }
        }

        private AcknowledgeType got(ConsumerRecord<String, String> one) {
            int number = Integer.parseInt(one.value().substring(0, one.value().indexOf('|')));
            int delivery = deliveries.computeIfAbsent(number, any -> new AtomicInteger()).incrementAndGet();
            if (isChoosy && isReleased(number) && delivery == 1) return AcknowledgeType.RELEASE;
            done.incrementAndGet();
            return isChoosy && number % 10 == REJECTED_OF_TEN ? AcknowledgeType.REJECT : AcknowledgeType.ACCEPT;
        }

        private boolean isReleased(int number) {
            return number % 10 == RELEASED_OF_TEN;
        }

        private String describe() {
            long wrong = deliveries.entrySet().stream()
                .filter(one -> one.getValue().get() != (isChoosy && isReleased(one.getKey()) ? 2 : 1))
                .count();
            return "{\"distinct\":" + deliveries.size() + ",\"deliveredWrong\":" + wrong + "}";
        }
    }
}
