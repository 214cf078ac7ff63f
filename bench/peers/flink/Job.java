import org.apache.flink.configuration.Configuration;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.table.api.bridge.java.StreamTableEnvironment;

/**
 * The jobs on Flink SQL, embedded in one JVM, without checkpoints: JOB BROKERS IN OUT GROUP FOLDER GUARANTEE.
 *
 * <p>Its range has both ends in it, of milliseconds: 9.999 s before are what others call the last 10 s.
 */
public final class Job {
  private static final String COLUMNS =
      "`timestamp` BIGINT, gForceX DOUBLE, gForceY DOUBLE, gForceZ DOUBLE, speed DOUBLE, altitude DOUBLE, "
          + "heartRate INT, lat DOUBLE, lon DOUBLE";
  private static final String NAMES =
      "`key`, `timestamp`, gForceX, gForceY, gForceZ, speed, altitude, heartRate, lat, lon, sent";

  public static void main(String[] arguments) throws Exception {
    Configuration configuration = new Configuration();
    configuration.setString("taskmanager.memory.network.max", "128mb");
    configuration.setString("taskmanager.memory.managed.size", "256mb");
    StreamExecutionEnvironment environment = StreamExecutionEnvironment.createLocalEnvironment(2, configuration);
    environment.getConfig().enableObjectReuse();
    StreamTableEnvironment tables = StreamTableEnvironment.create(environment);
    boolean mean = arguments[0].equals("mean");
    String kafka =
        "'connector'='kafka', 'properties.bootstrap.servers'='" + arguments[1]
            + "', 'key.format'='raw', 'key.fields'='key', 'value.format'='json', 'value.fields-include'='EXCEPT_KEY', "
            + "'value.json.encode.ignore-null-fields'='true'";
    tables.executeSql(
        "CREATE TABLE source (`key` STRING, " + COLUMNS + ", sent BIGINT, time_ AS TO_TIMESTAMP_LTZ(`timestamp`, 3), "
            + "WATERMARK FOR time_ AS time_) WITH (" + kafka + ", 'topic'='" + arguments[2]
            + "', 'properties.group.id'='" + arguments[4] + "', 'scan.startup.mode'='earliest-offset')");
    tables.executeSql(
        "CREATE TABLE alerts (`key` STRING, " + COLUMNS + ", sent BIGINT, gForceTotal DOUBLE"
            + (mean ? ", `gForceTotal-10s` DOUBLE" : "") + ") WITH (" + kafka + ", 'topic'='" + arguments[3] + "')");
    String derived =
        "SELECT " + NAMES + ", ABS(gForceX) + ABS(gForceY) + ABS(gForceZ) AS total, time_ FROM source "
            + "WHERE gForceX IS NOT NULL";
    String window =
        ", AVG(total) OVER (PARTITION BY `key` ORDER BY time_ "
            + "RANGE BETWEEN INTERVAL '9.999' SECOND(1, 3) PRECEDING AND CURRENT ROW)";
    tables
        .executeSql("INSERT INTO alerts SELECT " + NAMES + ", total" + (mean ? window : "") + " FROM (" + derived + ")")
        .await();
  }
}
