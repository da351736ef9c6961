import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Random;
import java.util.concurrent.CountDownLatch;
import java.util.stream.IntStream;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.ProducerFencedException;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * Kafka's own producer and consumer under way while something fails: an idempotent (or
 * transactional) producer that gives every partition the records 0, 1, 2, and so on, and a consumer
 * that follows.
 * What happens is printed, one event a line, for a checker that knows what must hold:
 *
 * ack PARTITION SEQUENCE OFFSET, failed PARTITION SEQUENCE ERROR, read PARTITION SEQUENCE OFFSET,
 * garbled PARTITION OFFSET, consumer-error ERROR, sent PARTITION COUNT, and with transactions
 * transaction committed|aborted|unknown SEQUENCE COUNT (the same records of every partition).
 *
 * SIGTERM ends the producing; the consumer then reads to the end of every partition.
 */
final class Workload {
  private static final int HEADROOM = 64;
  private static final int ERRORS_MAX = 1_000;

  /** A consumer that has read nothing for so long will not reach the end. */
  private static final long STUCK_NANOS = 45_000_000_000L;


  private final Map<String, String> options;
  private final String topic;
  private final int partitions;
  private final int recordBytes;

  /** That many different keys in turn; none for 0. */
  private final int keys;

  private final long pauseNanos;
  private volatile boolean stopping;

  private Workload(Map<String, String> options) {
    this.options = options;
    topic = options.get("topic");
    partitions = Integer.parseInt(options.get("partitions"));
    recordBytes = Integer.parseInt(options.get("record.bytes"));
    keys = Integer.parseInt(options.get("keys"));
    pauseNanos = 1_000_000_000L * partitions / Integer.parseInt(options.get("rate"));
  }

  public static void main(String[] args) throws Exception {
    Map<String, String> options = new java.util.HashMap<>();
    for (String arg : args) options.put(arg.split("=", 2)[0], arg.split("=", 2)[1]);
    Workload workload = new Workload(options);
    Thread main = Thread.currentThread();
    CountDownLatch finished = new CountDownLatch(1);
    Runtime.getRuntime()
        .addShutdownHook(
            new Thread(
                () -> {
                  workload.stopping = true;
                  try {
                    finished.await();
                  } catch (InterruptedException e) {
                    main.interrupt();
                  }
                }));
    try {
      workload.run();
    } finally {
      System.out.flush();
      finished.countDown();
    }
  }

  private void run() throws InterruptedException {
    Thread producing =
        new Thread(
            () -> {
              if (options.containsKey("transactional.id")) produceTransactions();
              else produce();
            });
    if (options.get("produce").equals("true")) producing.start();
    else stopping = true;
    consume(producing);
    producing.join();
  }

  private void produce() {
    int sequence = 0;
    try (var producer = new KafkaProducer<String, String>(producerConfig())) {
      for (; !stopping; sequence++) {
        for (int partition = 0; partition < partitions; partition++) {
          send(producer, partition, sequence);
        }
        java.util.concurrent.locks.LockSupport.parkNanos(pauseNanos);
      }
    }
    for (int partition = 0; partition < partitions; partition++) {
      print("sent " + partition + " " + sequence);
    }
  }

  private void send(KafkaProducer<String, String> producer, int partition, int sequence) {
    String key = keys == 0 ? null : "key-" + sequence % keys;
    producer.send(
        new ProducerRecord<>(topic, partition, key, valueOf(partition, sequence)),
        (metadata, error) -> {
          String id = partition + " " + sequence + " ";
          if (error == null) print("ack " + id + metadata.offset());
          else print("failed " + id + error.getClass().getSimpleName());
        });
  }

  /** Transactions of some records to every partition; some of them are aborted. */
  private void produceTransactions() {
    Random random = new Random(Long.parseLong(options.get("seed")));
    int sequence = 0;
    KafkaProducer<String, String> producer = openTransactional();
    while (!stopping) {
      int count = 1 + random.nextInt(20);
      boolean commit = random.nextInt(4) > 0;
      String outcome = "unknown";
      try {
        producer.beginTransaction();
        for (int i = 0; i < count; i++) {
          for (int partition = 0; partition < partitions; partition++) {
            send(producer, partition, sequence + i);
          }
        }
        java.util.concurrent.locks.LockSupport.parkNanos(count * pauseNanos);
        producer.flush();
        if (commit) producer.commitTransaction();
        else producer.abortTransaction();
        outcome = commit ? "committed" : "aborted";
      } catch (KafkaException error) {
        print("transaction-error " + error.getClass().getSimpleName());
        try {
          if (error instanceof ProducerFencedException) throw error;
          producer.abortTransaction();
          outcome = "aborted";
        } catch (KafkaException fatal) {
          producer.close(Duration.ZERO);
          producer = openTransactional();
        }
      }
      print("transaction " + outcome + " " + sequence + " " + count);
      sequence += count;
    }
    producer.close();
  }

  private KafkaProducer<String, String> openTransactional() {
    var producer = new KafkaProducer<String, String>(producerConfig());
    producer.initTransactions();
    return producer;
  }

  private void consume(Thread producing) {
    List<TopicPartition> assignment =
        IntStream.range(0, partitions).mapToObj(p -> new TopicPartition(topic, p)).toList();
    try (var consumer = new KafkaConsumer<String, String>(consumerConfig())) {
      consumer.assign(assignment);
      consumer.seekToBeginning(assignment);
      Map<TopicPartition, Long> ends = null;
      long lastReadNanos = System.nanoTime();
      for (int errors = 0; errors < ERRORS_MAX; ) {
        try {
          for (var record : consumer.poll(Duration.ofMillis(200))) {
            read(record);
            lastReadNanos = System.nanoTime();
          }
          if (producing.isAlive()) continue;
          // Asked for once: others may go on producing.
          if (ends == null) {
            ends = consumer.endOffsets(assignment);
            lastReadNanos = System.nanoTime();
          }
          if (isAtEnd(consumer, ends)) return;
          if (System.nanoTime() - lastReadNanos > STUCK_NANOS) {
            print("consumer-error stuck below " + ends);
            return;
          }
        } catch (KafkaException error) {
          print("consumer-error " + error.getClass().getSimpleName() + " " + error.getMessage());
          errors += 1;
        }
      }
    }
  }

  private static boolean isAtEnd(
      KafkaConsumer<String, String> consumer, Map<TopicPartition, Long> ends) {
    return ends.keySet().stream().allMatch(p -> consumer.position(p) >= ends.get(p));
  }

  private void read(ConsumerRecord<String, String> record) {
    String[] parts = record.value().split(" ", 3);
    int partition = Integer.parseInt(parts[0]);
    int sequence = Integer.parseInt(parts[1]);
    boolean intact =
        partition == record.partition() && record.value().equals(valueOf(partition, sequence));
    if (intact) print("read " + partition + " " + sequence + " " + record.offset());
    else print("garbled " + record.partition() + " " + record.offset());
  }

  /** Names its place, and is filled with what can be computed again. */
  private String valueOf(int partition, int sequence) {
    StringBuilder value = new StringBuilder(recordBytes + HEADROOM);
    value.append(partition).append(' ').append(sequence).append(' ');
    Random random = new Random(partition * 1_000_003L + sequence);
    while (value.length() < recordBytes) value.append(Long.toString(random.nextLong() >>> 1, 36));
    return value.toString();
  }

  private Properties producerConfig() {
    Properties config = common("producer.");
    config.putIfAbsent("enable.idempotence", "true");
    config.putIfAbsent("linger.ms", "10");
    if (options.containsKey("transactional.id")) {
      config.put("transactional.id", options.get("transactional.id"));
    }
    config.put("key.serializer", StringSerializer.class.getName());
    config.put("value.serializer", StringSerializer.class.getName());
    return config;
  }

  private Properties consumerConfig() {
    Properties config = common("consumer.");
    config.put("enable.auto.commit", "false");
    config.put("key.deserializer", StringDeserializer.class.getName());
    config.put("value.deserializer", StringDeserializer.class.getName());
    return config;
  }

  private Properties common(String prefix) {
    Properties config = new Properties();
    config.put("bootstrap.servers", options.get("bootstrap"));
    for (var option : new ArrayList<>(options.entrySet())) {
      if (!option.getKey().startsWith(prefix)) continue;
      config.put(option.getKey().substring(prefix.length()), option.getValue());
    }
    return config;
  }

  private static synchronized void print(String line) {
    System.out.println(line);
  }
}
