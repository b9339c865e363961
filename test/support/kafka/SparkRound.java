// Spark in local mode: writes numbered records to a topic, reads the topic back, and prints how many there are, how many are different, and the sum of their
// numbers. Arguments: BOOTSTRAP TOPIC COUNT FOLDER.
import java.util.List;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;

public final class SparkRound {
  public static void main(String[] arguments) {
    String bootstrap = arguments[0];
    String topic = arguments[1];
    long count = Long.parseLong(arguments[2]);
    SparkSession spark = SparkSession.builder().master("local[2]").appName("round").config("spark.ui.enabled", false)
        .config("spark.sql.warehouse.dir", arguments[3]).config("spark.local.dir", arguments[3]).config("spark.driver.host", "127.0.0.1").getOrCreate();
    spark.range(count).selectExpr("CAST(id AS STRING) AS key", "CONCAT('line ', id) AS value")
        .write().format("kafka").option("kafka.bootstrap.servers", bootstrap).option("topic", topic).save();
    Dataset<Row> read = spark.read().format("kafka").option("kafka.bootstrap.servers", bootstrap).option("subscribe", topic).load();
    List<Row> rows = read.selectExpr("CAST(key AS STRING) AS key", "CAST(value AS STRING) AS value").where("value = CONCAT('line ', key)")
        .selectExpr("COUNT(*)", "COUNT(DISTINCT key)", "SUM(CAST(key AS LONG))").collectAsList();
    System.out.println("read " + rows.get(0).getLong(0) + " different " + rows.get(0).getLong(1) + " sum " + rows.get(0).getLong(2));
    spark.stop();
  }
}
