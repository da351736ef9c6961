import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.admin.Admin;

/** DescribeTopic BOOTSTRAP TOPIC: prints the topic's name and number of partitions. */
public class DescribeTopic {
  public static void main(String[] args) throws Exception {
    try (Admin admin = Admin.create(Map.of("bootstrap.servers", args[0]))) {
      var topic = admin.describeTopics(List.of(args[1])).allTopicNames().get().get(args[1]);
      System.out.println(topic.name() + " " + topic.partitions().size());
    }
  }
}
