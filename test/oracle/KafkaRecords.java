import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.BufferedOutputStream;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.ByteBuffer;
import java.util.HexFormat;
import java.util.Iterator;
import java.util.function.Supplier;
import java.util.stream.Collectors;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.protocol.Errors;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.common.record.internal.CompressionType;
import org.apache.kafka.common.record.internal.MemoryRecords;
import org.apache.kafka.common.record.internal.MemoryRecords.RecordFilter.BatchRetention;
import org.apache.kafka.common.record.internal.MemoryRecords.RecordFilter.BatchRetentionResult;
import org.apache.kafka.common.record.internal.MutableRecordBatch;
import org.apache.kafka.common.record.internal.Record;
import org.apache.kafka.common.record.internal.RecordBatch;
import org.apache.kafka.common.requests.ProduceRequest;
import org.apache.kafka.common.utils.BufferSupplier;
import org.apache.kafka.common.utils.PrimitiveRef;
import org.apache.kafka.common.utils.Time;
import org.apache.kafka.storage.internals.log.AppendOrigin;
import org.apache.kafka.storage.internals.log.LogValidator;
import org.apache.kafka.storage.internals.log.RecordValidationException;

/**
 * What Kafka's own classes make of record batches: the judge of our record format. Reads requests,
 * one a line, and writes one line of answer for each:
 *
 * <pre>
 * read HEX              HEADER RECORDS, through the streaming iterator, which must agree
 * append RULES HEX      what a leader would store: stored HEX, or refused CODE INDEX,INDEX,...
 * compact KEEP HEX      what the log cleaner would write if it kept the first KEEP records: HEX
 * </pre>
 *
 * RULES are codec (or producer), timestamp type, compacted, before, after, now, Produce version.
 */
public final class KafkaRecords {
  private static final TopicPartition PARTITION = new TopicPartition("orders", 3);
  private static final long NEXT_OFFSET = 1_000;
  private static final int LEADER_EPOCH = 5;

  public static void main(String[] args) throws Exception {
    BufferedReader requests = new BufferedReader(new InputStreamReader(System.in, UTF_8));
    PrintStream answers = new PrintStream(new BufferedOutputStream(System.out), false, UTF_8);
    for (String line = requests.readLine(); line != null; line = requests.readLine()) {
      answers.println(answer(line.split(" ")));
    }
    answers.flush();
  }

  private static String answer(String[] request) {
    MemoryRecords records = parse(request[request.length - 1]);
    switch (request[0]) {
      case "read":
        return read(records);
      case "append":
        return append(request[1].split(","), records);
      case "compact":
        return compact(Integer.parseInt(request[1]), records);
      default:
        throw new IllegalArgumentException(request[0]);
    }
  }

  private static String read(MemoryRecords records) {
    Iterator<MutableRecordBatch> batches = records.batches().iterator();
    MutableRecordBatch batch = batches.next();
    if (batches.hasNext()) return "error: more than one batch";
    batch.ensureValid();
    StringBuilder streamed = new StringBuilder();
    batch.streamingIterator(BufferSupplier.NO_CACHING).forEachRemaining(r -> describe(r, streamed));
    StringBuilder iterated = new StringBuilder();
    batch.iterator().forEachRemaining(r -> describe(r, iterated));
    if (!streamed.toString().equals(iterated.toString())) return "error: iterators disagree";
    String header =
        batch.baseOffset() + "," + batch.lastOffset() + "," + batch.partitionLeaderEpoch() + ","
            + batch.maxTimestamp() + "," + batch.timestampType().name + ","
            + batch.compressionType().name + "," + batch.isTransactional() + ","
            + batch.producerId() + "," + batch.producerEpoch() + "," + batch.baseSequence() + ","
            + batch.countOrNull() + "," + batch.offsetOfMaxTimestamp().orElse(-1L);
    return header + " " + streamed;
  }

  private static void describe(Record record, StringBuilder out) {
    out.append(record.offset()).append(',').append(record.timestamp()).append(',');
    out.append(hex(record.key())).append(',').append(hex(record.value()));
    for (Header header : record.headers()) {
      byte[] value = header.value();
      out.append(',').append(HexFormat.of().formatHex(header.key().getBytes(UTF_8))).append('=');
      out.append(hex(value == null ? null : ByteBuffer.wrap(value)));
    }
    out.append(';');
  }

  /** As UnifiedLog appends what a client sent, in its order. */
  private static String append(String[] rules, MemoryRecords records) {
    try {
      ProduceRequest.validateRecords(Short.parseShort(rules[6]), records);
      RecordBatch batch = records.batches().iterator().next();
      if (batch.baseOffset() != 0) return "refused " + Errors.INVALID_RECORD.code();
      if (!batch.isValid()) return "refused " + Errors.CORRUPT_MESSAGE.code();
      CompressionType source = batch.compressionType();
      CompressionType target =
          rules[0].equals("producer") ? source : CompressionType.forName(rules[0]);
      Time time = new FixedTime(Long.parseLong(rules[5]));
      LogValidator validator =
          new LogValidator(
              records, PARTITION, time, source, Compression.of(target).build(),
              Boolean.parseBoolean(rules[2]), RecordBatch.CURRENT_MAGIC_VALUE,
              TimestampType.forName(rules[1]), Long.parseLong(rules[3]), Long.parseLong(rules[4]),
              LEADER_EPOCH, AppendOrigin.CLIENT);
      MemoryRecords stored =
          validator
              .validateMessagesAndAssignOffsets(
                  PrimitiveRef.ofLong(NEXT_OFFSET), new NoMetrics(), BufferSupplier.NO_CACHING)
              .validatedRecords();
      return "stored " + hex(stored.buffer());
    } catch (RecordValidationException error) {
      String indexes =
          error.recordErrors().stream()
              .map(each -> String.valueOf(each.batchIndex))
              .collect(Collectors.joining(","));
      return "refused " + Errors.forException(error.invalidException()).code() + " " + indexes;
    } catch (RuntimeException | Error error) { // snappy-java throws errors for damaged bytes
      return "refused " + Errors.forException(error).code();
    }
  }

  private static String compact(int keep, MemoryRecords records) {
    ByteBuffer output = ByteBuffer.allocate(records.sizeInBytes() + 1024);
    MemoryRecords.RecordFilter filter =
        new MemoryRecords.RecordFilter(0, 0) {
          private int seen = 0;

          @Override
          protected BatchRetentionResult checkBatchRetention(RecordBatch batch) {
            return new BatchRetentionResult(BatchRetention.DELETE_EMPTY, false);
          }

          @Override
          protected boolean shouldRetainRecord(RecordBatch batch, Record record) {
            return seen++ < keep;
          }
        };
    ByteBuffer kept = records.filterTo(filter, output, BufferSupplier.NO_CACHING).outputBuffer();
    kept.flip();
    return hex(kept);
  }

  private static MemoryRecords parse(String hex) {
    return MemoryRecords.readableRecords(ByteBuffer.wrap(HexFormat.of().parseHex(hex)));
  }

  private static String hex(ByteBuffer buffer) {
    if (buffer == null) return "null";
    byte[] bytes = new byte[buffer.remaining()];
    buffer.duplicate().get(bytes);
    return HexFormat.of().formatHex(bytes);
  }

  private record FixedTime(long milliseconds) implements Time {
    @Override
    public long nanoseconds() {
      return milliseconds * 1_000_000;
    }

    @Override
    public void sleep(long ms) {
      throw new UnsupportedOperationException();
    }

    @Override
    public void waitObject(Object object, Supplier<Boolean> condition, long deadlineMs) {
      throw new UnsupportedOperationException();
    }
  }

  private static final class NoMetrics implements LogValidator.MetricsRecorder {
    @Override
    public void recordInvalidMagic() {}

    @Override
    public void recordInvalidOffset() {}

    @Override
    public void recordInvalidSequence() {}

    @Override
    public void recordInvalidChecksums() {}

    @Override
    public void recordNoKeyCompactedTopic() {}
  }
}
