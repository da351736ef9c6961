import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.InvalidProducerEpochException;
import org.apache.kafka.common.errors.ProducerFencedException;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * Copies records from topic to topic in transactions, all stages at the same time, each with offsets
 * that it commits with what it has produced, and with attempts that it aborts. Can be told to hang
 * in the middle of a transaction in every stage, to be killed there and to be started again.
 *
 * Arguments: bootstrap, number of records, number of transactions after which the first stage
 * hangs, later ones a little sooner (-1 for never), then the topics, the first of which is filled
 * when the program does not find it full.
 * Prints "hanging" when all stages hang; else, at the end, a line of JSON for each topic.
 */
public final class ExactlyOnce {
    private static final int KEYS = 20;
    private static final int RECORDS_PER_TRANSACTION = 150;
    /** Each so many transactions one is tried in vain. */
    private static final int ABORT_EVERY = 3;
    private static final String ABORTED = "aborted:";
    private static final String PADDING = "|" + "payload ".repeat(30);
    private static final Duration POLL = Duration.ofMillis(500);
    private static final long SILENCE_MS_MAX = 60_000;

    private final String bootstrap;
    private final int count;
    private final int hangAfter;
    private final List<String> topics;
    private final CountDownLatch hanging;

    private ExactlyOnce(String bootstrap, int count, int hangAfter, List<String> topics) {
        this.bootstrap = bootstrap;
        this.count = count;
        this.hangAfter = hangAfter;
        this.topics = topics;
        this.hanging = new CountDownLatch(topics.size() - 1);
    }

    public static void main(String[] args) throws Exception {
        List<String> topics = List.of(args).subList(3, args.length);
        int count = Integer.parseInt(args[1]);
        int hangAfter = Integer.parseInt(args[2]);
        new ExactlyOnce(args[0], count, hangAfter, topics).run();
        // Stages that hang do not end.
        System.exit(0);
    }

    private void run() throws Exception {
        fill(topics.get(0));
        ExecutorService stages = Executors.newCachedThreadPool();
        List<Future<?>> ends = new ArrayList<>();
        for (int i = 1; i < topics.size(); i++) {
            String from = topics.get(i - 1);
            String to = topics.get(i);
            // What a stage leaves hanging the next one does not get.
            int hangsAfter = hangAfter < 0 ? -1 : hangAfter - 2 * (i - 1);
            ends.add(stages.submit((Callable<Void>) () -> {
                copy(from, to, hangsAfter);
                return null;
            }));
        }
        if (hangAfter >= 0) {
            while (hanging.getCount() > 0) {
                for (Future<?> end : ends) if (end.isDone()) end.get();
                Thread.sleep(50);
            }
            System.out.println("hanging");
            Thread.sleep(Long.MAX_VALUE);
        }
        for (Future<?> end : ends) end.get();
        for (String topic : topics) {
            System.out.println("{\"topic\":\"" + topic + "\",\"committed\":" + describe(topic, "read_committed")
                + ",\"all\":" + describe(topic, "read_uncommitted") + "}");
        }
        System.out.println("{\"fenced\":" + isFenced(topics.get(1)) + "}");
    }

    private void fill(String topic) throws Exception {
        if (!read(topic, "read_committed").isEmpty()) return;
        try (KafkaProducer<String, String> producer = producer(Map.of("enable.idempotence", true))) {
            for (int i = 0; i < count; i++) producer.send(record(topic, "key-" + i % KEYS, i + PADDING));
        }
    }

    private void copy(String from, String to, int hangsAfter) throws InterruptedException {
        int left = count - read(to, "read_committed").size();
        int transactions = 0;
        long lastMs = System.currentTimeMillis();
        try (KafkaProducer<String, String> producer = producer(Map.of("transactional.id", from + "-" + to));
             KafkaConsumer<String, String> consumer = consumer("read_committed", from + "-" + to)) {
            producer.initTransactions();
            consumer.subscribe(List.of(from));
            while (left > 0) {
                ConsumerRecords<String, String> records = consumer.poll(POLL);
                if (System.currentTimeMillis() - lastMs > SILENCE_MS_MAX) {
                    throw new IllegalStateException(from + " ends " + left + " records early");
                }
                if (records.isEmpty()) continue;
                if (transactions % ABORT_EVERY == 0) {
                    send(producer, consumer, records, to, ABORTED);
                    producer.flush();
                    producer.abortTransaction();
                }
                send(producer, consumer, records, to, "");
                if (transactions == hangsAfter) {
                    producer.flush();
                    hanging.countDown();
                    Thread.sleep(Long.MAX_VALUE);
                }
                producer.commitTransaction();
                transactions++;
                left -= records.count();
                lastMs = System.currentTimeMillis();
            }
        }
        if (left != 0) throw new IllegalStateException(to + " has " + -left + " records too many");
    }

    private static void send(
        KafkaProducer<String, String> producer,
        KafkaConsumer<String, String> consumer,
        ConsumerRecords<String, String> records,
        String to,
        String prefix
    ) {
        Map<TopicPartition, OffsetAndMetadata> offsets = new HashMap<>();
        producer.beginTransaction();
        for (ConsumerRecord<String, String> one : records) {
            producer.send(record(to, one.key(), prefix + one.value()));
            offsets.put(new TopicPartition(one.topic(), one.partition()), new OffsetAndMetadata(one.offset() + 1));
        }
        producer.sendOffsetsToTransaction(offsets, consumer.groupMetadata());
    }

    /** A producer that has a successor can commit nothing more. */
    private boolean isFenced(String topic) {
        Map<String, Object> id = Map.of("transactional.id", topic + "-fenced");
        try (KafkaProducer<String, String> zombie = producer(id);
            KafkaProducer<String, String> successor = producer(id)) {
            zombie.initTransactions();
            zombie.beginTransaction();
            zombie.send(record(topic, "key-0", ABORTED + PADDING));
            zombie.flush();
            successor.initTransactions();
            try {
                zombie.commitTransaction();
                return false;
            } catch (ProducerFencedException | InvalidProducerEpochException e) {
                int before = read(topic, "read_committed").size();
                return before == count;
            }
        }
    }

    /** @return records, distinct numbers, records out of order within their key, aborted records */
    private String describe(String topic, String isolation) {
        Map<String, Integer> last = new HashMap<>();
        Set<Integer> numbers = new TreeSet<>();
        int outOfOrder = 0;
        int aborted = 0;
        List<ConsumerRecord<String, String>> records = read(topic, isolation);
        for (ConsumerRecord<String, String> one : records) {
            if (one.value().startsWith(ABORTED)) {
                aborted++;
                continue;
            }
            int number = Integer.parseInt(one.value().substring(0, one.value().indexOf('|')));
            numbers.add(number);
            Integer before = last.put(one.key(), number);
            if (before != null && before >= number) outOfOrder++;
        }
        return "{\"records\":" + records.size() + ",\"distinct\":" + numbers.size()
            + ",\"outOfOrder\":" + outOfOrder + ",\"aborted\":" + aborted + "}";
    }

    /** @return all records from the beginning up to the end that there is now for this isolation */
    private List<ConsumerRecord<String, String>> read(String topic, String isolation) {
        List<ConsumerRecord<String, String>> all = new ArrayList<>();
        try (KafkaConsumer<String, String> consumer = consumer(isolation, null)) {
            List<TopicPartition> partitions = consumer.partitionsFor(topic).stream()
                .map(info -> new TopicPartition(topic, info.partition()))
                .toList();
            consumer.assign(partitions);
            consumer.seekToBeginning(partitions);
            Map<TopicPartition, Long> ends = consumer.endOffsets(partitions);
            while (partitions.stream().anyMatch(one -> consumer.position(one) < ends.get(one))) {
                consumer.poll(POLL).forEach(all::add);
            }
        }
        return all;
    }

    private static ProducerRecord<String, String> record(String topic, String key, String value) {
        return new ProducerRecord<>(topic, key, value);
    }

    private KafkaProducer<String, String> producer(Map<String, Object> configs) {
        Map<String, Object> all = new HashMap<>(configs);
        all.put("bootstrap.servers", bootstrap);
        all.put("linger.ms", 5);
        return new KafkaProducer<>(all, new StringSerializer(), new StringSerializer());
    }

    /** @param group a member of its own, known by its name, so that a successor takes its place */
    private KafkaConsumer<String, String> consumer(String isolation, String group) {
        Map<String, Object> all = new HashMap<>();
        all.put("bootstrap.servers", bootstrap);
        all.put("isolation.level", isolation);
        all.put("auto.offset.reset", "earliest");
        all.put("enable.auto.commit", false);
        if (group != null) {
            all.put("group.id", group);
            all.put("group.instance.id", group);
            all.put("max.poll.records", RECORDS_PER_TRANSACTION);
        }
        return new KafkaConsumer<>(all, new StringDeserializer(), new StringDeserializer());
    }
}
