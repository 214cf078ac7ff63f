import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.Properties;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.processor.api.FixedKeyProcessor;
import org.apache.kafka.streams.processor.api.FixedKeyProcessorContext;
import org.apache.kafka.streams.processor.api.FixedKeyRecord;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.Stores;

/**
 * The jobs on Kafka Streams: JOB BROKERS IN OUT GROUP FOLDER GUARANTEE.
 *
 * <p>Its sliding windows put out an update for each window that a row falls into; for one output a row, what
 * its last ten seconds hold is kept in a store by hand.
 */
public final class Job {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final Serde<ObjectNode> ROWS = Serdes.serdeFrom((topic, row) -> write(row), (topic, bytes) -> read(bytes));
  private static final long WINDOW_MS = 10_000;
  private static final int ENTRY_BYTES = Long.BYTES + Double.BYTES;

  private static byte[] write(ObjectNode row) {
    try {
      return row == null ? null : JSON.writeValueAsBytes(row);
    } catch (IOException error) {
      throw new UncheckedIOException(error);
    }
  }

  private static ObjectNode read(byte[] bytes) {
    try {
      return bytes == null ? null : (ObjectNode) JSON.readTree(bytes);
    } catch (IOException error) {
      throw new UncheckedIOException(error);
    }
  }

  private static double force(ObjectNode row, String axis) {
    return Math.abs(row.get(axis).asDouble());
  }

  /** Adds the mean of the key's last ten seconds. */
  private static final class Mean implements FixedKeyProcessor<String, ObjectNode, ObjectNode> {
    private FixedKeyProcessorContext<String, ObjectNode> context;
    private KeyValueStore<String, byte[]> store;

    @Override
    public void init(FixedKeyProcessorContext<String, ObjectNode> context) {
      this.context = context;
      this.store = context.getStateStore("windows");
    }

    @Override
    public void process(FixedKeyRecord<String, ObjectNode> row) {
      ObjectNode value = row.value();
      long time = value.get("timestamp").asLong();
      double total = value.get("gForceTotal").asDouble();
      byte[] stored = store.get(row.key());
      ByteBuffer before = ByteBuffer.wrap(stored == null ? new byte[0] : stored);
      ByteBuffer after = ByteBuffer.allocate(before.remaining() + ENTRY_BYTES);
      double sum = total;
      while (before.hasRemaining()) {
        long entryTime = before.getLong();
        double entry = before.getDouble();
        if (entryTime > time - WINDOW_MS) {
          after.putLong(entryTime).putDouble(entry);
          sum += entry;
        }
      }
      after.putLong(time).putDouble(total);
      store.put(row.key(), Arrays.copyOf(after.array(), after.position()));
      value.put("gForceTotal-10s", sum / (after.position() / ENTRY_BYTES));
      context.forward(row.withValue(value));
    }
  }

  public static void main(String[] arguments) {
    Properties settings = new Properties();
    settings.put("bootstrap.servers", arguments[1]);
    settings.put("application.id", arguments[4]);
    settings.put("state.dir", arguments[5] + "/state");
    settings.put("processing.guarantee", arguments[6].equals("exactly-once") ? "exactly_once_v2" : "at_least_once");
    settings.put("auto.offset.reset", "earliest");
    settings.put("replication.factor", "1");
    settings.put("num.stream.threads", "2");
    StreamsBuilder builder = new StreamsBuilder();
    KStream<String, ObjectNode> rows =
        builder.stream(arguments[2], Consumed.with(Serdes.String(), ROWS))
            .filter((key, row) -> row.hasNonNull("gForceX"))
            .mapValues(row -> row.put("gForceTotal", force(row, "gForceX") + force(row, "gForceY") + force(row, "gForceZ")));
    if (arguments[0].equals("mean")) {
      builder.addStateStore(
          Stores.keyValueStoreBuilder(Stores.persistentKeyValueStore("windows"), Serdes.String(), Serdes.ByteArray()));
      rows = rows.processValues(Mean::new, "windows");
    }
    rows.to(arguments[3], Produced.with(Serdes.String(), ROWS));
    KafkaStreams streams = new KafkaStreams(builder.build(), settings);
    streams.setUncaughtExceptionHandler(
        error -> {
          error.printStackTrace();
          return StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse.SHUTDOWN_APPLICATION;
        });
    Runtime.getRuntime().addShutdownHook(new Thread(streams::close));
    streams.start();
  }
}
