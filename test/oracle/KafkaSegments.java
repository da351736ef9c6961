import java.io.BufferedReader;
import java.io.File;
import java.io.InputStreamReader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.StringJoiner;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import org.apache.kafka.common.TopicIdPartition;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.utils.Time;
import org.apache.kafka.server.log.remote.storage.RemoteLogSegmentId;
import org.apache.kafka.server.log.remote.storage.RemoteLogSegmentMetadata;
import org.apache.kafka.server.log.remote.storage.RemoteLogSegmentState;
import org.apache.kafka.storage.internals.checkpoint.LeaderEpochCheckpointFile;
import org.apache.kafka.storage.internals.epoch.LeaderEpochFileCache;
import org.apache.kafka.storage.internals.log.AbortedTxn;
import org.apache.kafka.storage.internals.log.LogConfig;
import org.apache.kafka.storage.internals.log.LogDirFailureChannel;
import org.apache.kafka.storage.internals.log.LogSegment;
import org.apache.kafka.storage.internals.log.OffsetIndex;
import org.apache.kafka.storage.internals.log.ProducerStateEntry;
import org.apache.kafka.storage.internals.log.ProducerStateManager;
import org.apache.kafka.storage.internals.log.ProducerStateManagerConfig;
import org.apache.kafka.storage.internals.log.TimeIndex;
import org.apache.kafka.storage.internals.log.TimestampOffset;
import org.apache.kafka.storage.internals.log.TransactionIndex;

/**
 * Kafka's own classes on the files of log segments, which lie in a folder under a broker's names,
 * and the leader epochs of each as `BASE.leader-epoch-checkpoint`. Reads one request a line and
 * answers each with one line:
 *
 *   recover FOLDER INTERVAL BASES  makes all files but the logs, as a broker does that finds the
 *                                  logs alone: "ok"
 *   check FOLDER BASE NEXT         sanity checks; then what the readers find in each file
 *   offset FOLDER BASE OFFSET      position and size of the batch, or "none"
 *   timestamp FOLDER BASE TS FROM  offset and timestamp of the record, or "none"
 *   aborted FOLDER BASE FROM TO    the aborted transactions, and whether that is all
 *   manifest FILE                  the segment's metadata as Kafka prints it
 */
public class KafkaSegments {
  private static final TopicPartition PARTITION = new TopicPartition("t", 0);
  private static final ObjectMapper JSON = new ObjectMapper();

  public static void main(String[] args) throws Exception {
    BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
    StringBuilder out = new StringBuilder();
    for (String line = in.readLine(); line != null; line = in.readLine()) {
      String answer;
      try {
        answer = answer(line.split(" "));
      } catch (Exception e) {
        answer = "error " + e;
      }
      out.append(answer.replace('\n', ' ')).append('\n');
    }
    System.out.print(out);
  }

  private static String answer(String[] words) throws Exception {
    if (words[0].equals("manifest")) return manifest(Path.of(words[1]));
    File dir = new File(words[1]);
    if (words[0].equals("recover")) return recover(dir, words[2], words[3].split(","));
    long base = Long.parseLong(words[2]);
    if (words[0].equals("check")) return check(dir, base, Long.parseLong(words[3]));
    try (LogSegment segment = open(dir, base, "4096")) {
      return find(segment, words);
    }
  }

  private static String find(LogSegment segment, String[] words) throws Exception {
    long target = Long.parseLong(words[3]);
    switch (words[0]) {
      case "offset":
        var place = segment.translateOffset(target);
        return place == null ? "none" : place.position + " " + place.size;
      case "timestamp":
        return segment.findOffsetByTimestamp(target, Long.parseLong(words[4]))
            .map(found -> found.offset + " " + found.timestamp).orElse("none");
      case "aborted":
        var found = segment.collectAbortedTxns(target, Long.parseLong(words[4]));
        return found.isComplete() + " " + describe(found.abortedTransactions());
      default:
        throw new IllegalArgumentException(words[0]);
    }
  }

  private static LogSegment open(File dir, long base, String interval) throws Exception {
    LogConfig config = new LogConfig(Map.of("index.interval.bytes", interval));
    return LogSegment.open(dir, base, config, Time.SYSTEM, true, 0, false, "");
  }

  private static String recover(File dir, String interval, String[] bases) throws Exception {
    ProducerStateManager producers = new ProducerStateManager(
        PARTITION, dir, 900_000, new ProducerStateManagerConfig(86_400_000, false), Time.SYSTEM);
    producers.truncateFullyAndStartAt(Long.parseLong(bases[0]));
    File checkpointFile = LeaderEpochCheckpointFile.newFile(dir);
    LeaderEpochCheckpointFile checkpoint =
        new LeaderEpochCheckpointFile(checkpointFile, new LogDirFailureChannel(1));
    LeaderEpochFileCache epochs = new LeaderEpochFileCache(PARTITION, checkpoint, null);
    for (String base : bases) {
      try (LogSegment segment = open(dir, Long.parseLong(base), interval)) {
        int truncated = segment.recover(producers, epochs);
        if (truncated != 0) return "truncated " + truncated;
      }
      producers.takeSnapshot();
      Path ofSegment = dir.toPath().resolve(name(Long.parseLong(base), "leader-epoch-checkpoint"));
      Files.copy(checkpointFile.toPath(), ofSegment);
    }
    return "ok";
  }

  private static String check(File dir, long base, long next) throws Exception {
    StringJoiner all = new StringJoiner(" ");
    OffsetIndex offsets = new OffsetIndex(new File(dir, name(base, "index")), base, -1, false);
    offsets.sanityCheck();
    all.add("offsets=" + offsets.entries() + "/" + offsets.lastOffset());
    TimeIndex times = new TimeIndex(new File(dir, name(base, "timeindex")), base, -1, false);
    times.sanityCheck();
    TimestampOffset last = times.lastEntry();
    all.add("times=" + times.entries() + "/" + last.timestamp() + "/" + last.offset());
    File transactionFile = new File(dir, name(base, "txnindex"));
    TransactionIndex transactions = new TransactionIndex(base, transactionFile);
    transactions.sanityCheck();
    all.add("aborted=" + describe(transactions.allAbortedTxns()));
    transactions.close();
    StringJoiner producers = new StringJoiner(";");
    File snapshot = new File(dir, name(next, "snapshot"));
    for (ProducerStateEntry entry : ProducerStateManager.readSnapshot(snapshot)) {
      producers.add(entry.producerId() + "," + entry.producerEpoch() + ","
          + entry.firstDataOffset() + "," + entry.lastDataOffset() + "," + entry.lastTimestamp()
          + "," + entry.coordinatorEpoch() + "," + entry.currentTxnFirstOffset().orElse(-1));
    }
    all.add("producers=" + producers);
    StringJoiner epochs = new StringJoiner(";");
    File file = new File(dir, name(base, "leader-epoch-checkpoint"));
    new LeaderEpochCheckpointFile(file, new LogDirFailureChannel(1)).read()
        .forEach(entry -> epochs.add(entry.epoch() + "," + entry.startOffset()));
    return all.add("epochs=" + epochs).toString();
  }

  private static String manifest(Path file) throws Exception {
    JsonNode root = JSON.readTree(Files.readAllBytes(file));
    JsonNode metadata = root.get("remoteLogSegmentMetadata");
    JsonNode id = metadata.get("remoteLogSegmentId");
    JsonNode partition = id.get("topicIdPartition");
    Map<Integer, Long> epochs = new HashMap<>();
    for (Map.Entry<String, JsonNode> field : metadata.get("segmentLeaderEpochs").properties()) {
      epochs.put(Integer.valueOf(field.getKey()), field.getValue().longValue());
    }
    return new RemoteLogSegmentMetadata(
        new RemoteLogSegmentId(
            new TopicIdPartition(
                Uuid.fromString(partition.get("topicId").textValue()),
                partition.get("topicPartition").get("partition").intValue(),
                partition.get("topicPartition").get("topic").textValue()),
            Uuid.fromString(id.get("id").textValue())),
        metadata.get("startOffset").longValue(),
        metadata.get("endOffset").longValue(),
        metadata.get("maxTimestampMs").longValue(),
        metadata.get("brokerId").intValue(),
        metadata.get("eventTimestampMs").longValue(),
        root.get("chunkIndex").get("originalFileSize").intValue(),
        Optional.empty(),
        RemoteLogSegmentState.COPY_SEGMENT_FINISHED,
        epochs,
        root.get("segmentIndexes").get("transaction").isNull()).toString();
  }

  private static String describe(Iterable<AbortedTxn> all) {
    StringJoiner text = new StringJoiner(";");
    for (AbortedTxn one : all) {
      text.add(one.producerId() + "," + one.firstOffset() + "," + one.lastOffset() + ","
          + one.lastStableOffset());
    }
    return text.toString();
  }

  private static String name(long offset, String suffix) {
    return String.format("%020d.%s", offset, suffix);
  }
}
