import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.AlterConfigOp.OpType;
import org.apache.kafka.clients.admin.AlterConfigsOptions;
import org.apache.kafka.clients.admin.Config;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.DescribeConfigsOptions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.common.config.ConfigResource;

/**
 * AdminTopics BOOTSTRAP TOPIC: takes a topic through its life with the Java admin client, and
 * prints after each step what the client sees of the keys that matter.
 */
public class AdminTopics {
  private static final List<String> KEYS =
      List.of("cleanup.policy", "compression.type", "diskless.enable", "retention.bytes", "retention.ms");

  public static void main(String[] args) throws Exception {
    String topic = args[1];
    var resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
    try (Admin admin = Admin.create(Map.of("bootstrap.servers", args[0]))) {
      var wanted = Map.of("diskless.enable", "true", "cleanup.policy", "compact", "retention.bytes", "77");
      var created =
          admin.createTopics(
              List.of(new NewTopic(topic, Optional.of(2), Optional.empty()).configs(wanted)));
      print("created " + created.numPartitions(topic).get(), created.config(topic).get());
      print("described", describe(admin, resource));

      var check = new AlterConfigsOptions().validateOnly(true);
      String refusal = "";
      try {
        admin.incrementalAlterConfigs(change(resource, "diskless.enable", OpType.SET, "false"), check).all().get();
      } catch (Exception e) {
        refusal = e.getCause().getClass().getSimpleName();
      }
      System.out.println("compacted off: " + refusal);

      admin.incrementalAlterConfigs(change(resource, "cleanup.policy", OpType.APPEND, "delete")).all().get();
      admin.incrementalAlterConfigs(change(resource, "cleanup.policy", OpType.SUBTRACT, "compact")).all().get();
      print("subtracted", describe(admin, resource));
      admin.incrementalAlterConfigs(change(resource, "diskless.enable", OpType.SET, "false")).all().get();
      print("classic", describe(admin, resource));

      var entry = describeAll(admin, resource).get("diskless.enable");
      System.out.println(entry.type() + " " + entry.documentation().startsWith("Whether") + " " + entry.synonyms());
      admin.deleteTopics(List.of(topic)).all().get();
    }
  }

  private static Map<ConfigResource, java.util.Collection<AlterConfigOp>> change(
      ConfigResource resource, String key, OpType type, String value) {
    return Map.of(resource, List.of(new AlterConfigOp(new ConfigEntry(key, value), type)));
  }

  private static Config describe(Admin admin, ConfigResource resource) throws Exception {
    return admin.describeConfigs(List.of(resource)).all().get().get(resource);
  }

  private static Config describeAll(Admin admin, ConfigResource resource) throws Exception {
    var options = new DescribeConfigsOptions().includeSynonyms(true).includeDocumentation(true);
    return admin.describeConfigs(List.of(resource), options).all().get().get(resource);
  }

  private static void print(String step, Config config) {
    var seen = new TreeMap<String, String>();
    for (ConfigEntry entry : config.entries()) {
      if (KEYS.contains(entry.name())) seen.put(entry.name(), entry.value() + "/" + entry.source());
    }
    System.out.println(step + ": " + seen);
  }
}
