import static java.nio.charset.StandardCharsets.UTF_8;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedOutputStream;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.ByteBuffer;
import java.util.HexFormat;
import org.apache.kafka.common.errors.RetriableException;
import org.apache.kafka.common.protocol.ApiKeys;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.protocol.Errors;
import org.apache.kafka.common.protocol.Message;
import org.apache.kafka.common.protocol.ObjectSerializationCache;
import org.apache.kafka.common.protocol.Readable;

/**
 * What Kafka's own generated classes make of a message: the judge of our codecs. Reads requests,
 * one a line, and writes one line of answer for each:
 *
 * <pre>
 * bytes NAME VERSION HEX    decoded and encoded again: HEX JSON
 * json  NAME VERSION JSON   encoded from Kafka's JSON form: HEX
 * tables                    API keys with their header versions, and error codes: JSON
 * </pre>
 *
 * The answer is "unsupported" for a version that the release does not have.
 */
public final class KafkaMessages {
  private static final ObjectMapper MAPPER = new ObjectMapper();

  public static void main(String[] args) throws Exception {
    BufferedReader requests = new BufferedReader(new InputStreamReader(System.in, UTF_8));
    PrintStream answers = new PrintStream(new BufferedOutputStream(System.out), false, UTF_8);
    for (String line = requests.readLine(); line != null; line = requests.readLine()) {
      answers.println(answer(line.split(" ", 4)));
    }
    answers.flush();
  }

  private static String answer(String[] request) throws Exception {
    if (request[0].equals("tables")) return tables().toString();
    Class<?> data = dataClass(request[1]);
    short version = Short.parseShort(request[2]);
    if (data == null || !supports(data, version)) return "unsupported";
    try {
      if (request[0].equals("json")) return hex(fromJson(data, version, request[3]), version);
      byte[] bytes = HexFormat.of().parseHex(request[3]);
      Readable readable = new ByteBufferAccessor(ByteBuffer.wrap(bytes));
      Message message =
          (Message)
              data.getConstructor(Readable.class, short.class).newInstance(readable, version);
      if (readable.remaining() > 0) return "error: " + readable.remaining() + " bytes left";
      return hex(message, version) + " " + toJson(data, message, version);
    } catch (ReflectiveOperationException error) {
      return "error: " + error.getCause();
    }
  }

  private static Class<?> dataClass(String name) {
    try {
      return Class.forName("org.apache.kafka.common.message." + name + "Data");
    } catch (ClassNotFoundException error) {
      return null;
    }
  }

  private static boolean supports(Class<?> data, short version) throws Exception {
    return version >= data.getField("LOWEST_SUPPORTED_VERSION").getShort(null)
        && version <= data.getField("HIGHEST_SUPPORTED_VERSION").getShort(null);
  }

  private static Class<?> converterOf(Class<?> data) throws Exception {
    return Class.forName(data.getName() + "JsonConverter");
  }

  private static Message fromJson(Class<?> data, short version, String json) throws Exception {
    JsonNode node = MAPPER.readTree(json);
    return (Message)
        converterOf(data)
            .getMethod("read", JsonNode.class, short.class)
            .invoke(null, node, version);
  }

  private static JsonNode toJson(Class<?> data, Message message, short version) throws Exception {
    return (JsonNode)
        converterOf(data)
            .getMethod("write", data, short.class)
            .invoke(null, message, version);
  }

  private static String hex(Message message, short version) {
    ObjectSerializationCache cache = new ObjectSerializationCache();
    ByteBuffer buffer = ByteBuffer.allocate(message.size(cache, version));
    message.write(new ByteBufferAccessor(buffer), cache, version);
    return HexFormat.of().formatHex(buffer.array(), 0, buffer.position());
  }

  private static ObjectNode tables() {
    ObjectNode tables = MAPPER.createObjectNode();
    ArrayNode apis = tables.putArray("apis");
    for (ApiKeys api : ApiKeys.values()) {
      ObjectNode node = apis.addObject().put("key", api.id).put("name", api.messageType.name);
      ArrayNode versions = node.putArray("versions");
      short last = api.messageType.highestSupportedVersion(true);
      for (short v = api.messageType.lowestSupportedVersion(); v <= last; v++) {
        versions
            .addObject()
            .put("version", v)
            .put("request", api.requestHeaderVersion(v))
            .put("response", api.responseHeaderVersion(v));
      }
    }
    ArrayNode errors = tables.putArray("errors");
    for (Errors error : Errors.values()) {
      boolean retriable = error.exception() instanceof RetriableException;
      errors.addObject().put("code", error.code()).put("name", error.name())
          .put("retriable", retriable);
    }
    return tables;
  }
}
