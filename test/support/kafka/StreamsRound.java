// One instance of a Kafka Streams application with exactly_once_v2: takes lines to another topic by way of a repartition topic, and keeps in a store, whose
// changelog is a topic, how many lines there were of each remainder. Arguments: BOOTSTRAP APPLICATION FROM TO COUNTS FOLDER SESSION_TIMEOUT_MS. Runs until it is ended.
import java.util.Properties;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.kstream.KStream;

public final class StreamsRound {
  private static final int REMAINDERS = 97;

  public static void main(String[] arguments) {
    Properties settings = new Properties();
    settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, arguments[0]);
    settings.put(StreamsConfig.APPLICATION_ID_CONFIG, arguments[1]);
    settings.put(StreamsConfig.STATE_DIR_CONFIG, arguments[5]);
    settings.put(StreamsConfig.DEFAULT_KEY_SERDE_CLASS_CONFIG, Serdes.StringSerde.class);
    settings.put(StreamsConfig.DEFAULT_VALUE_SERDE_CLASS_CONFIG, Serdes.StringSerde.class);
    settings.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
    settings.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, 2);
    settings.put(StreamsConfig.consumerPrefix("session.timeout.ms"), arguments[6]);
    StreamsBuilder topology = new StreamsBuilder();
    KStream<String, String> lines = topology.<String, String>stream(arguments[2]).selectKey((key, line) -> remainderOf(line)).repartition();
    lines.to(arguments[3]);
    lines.groupByKey().count().toStream().mapValues(count -> Long.toString(count)).to(arguments[4]);
    KafkaStreams streams = new KafkaStreams(topology.build(), settings);
    streams.setUncaughtExceptionHandler(error -> {
      error.printStackTrace();
      return StreamThreadExceptionResponse.SHUTDOWN_APPLICATION;
    });
    streams.start();
  }

  private static String remainderOf(String line) {
    return Long.toString(Long.parseLong(line.substring("line ".length())) % REMAINDERS);
  }
}
