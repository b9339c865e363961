// Prints record batches that Kafka's code builds; with a file as argument, lets Kafka's code read and check the batches in it.
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.common.record.internal.ControlRecordType;
import org.apache.kafka.common.record.internal.EndTransactionMarker;
import org.apache.kafka.common.record.internal.MemoryRecords;
import org.apache.kafka.common.record.internal.MemoryRecordsBuilder;
import org.apache.kafka.common.record.internal.MutableRecordBatch;
import org.apache.kafka.common.record.internal.Record;
import org.apache.kafka.common.record.internal.RecordBatch;
import org.apache.kafka.common.record.internal.SimpleRecord;
import org.apache.kafka.common.utils.Utils;

public class BatchVectors {
    public static void main(String[] arguments) throws Exception {
        if (arguments.length > 0) {
            verify(Path.of(arguments[0]));
            return;
        }
        Map<String, Compression> codecs = new LinkedHashMap<>();
        codecs.put("none", Compression.NONE);
        codecs.put("gzip", Compression.gzip().build());
        codecs.put("snappy", Compression.snappy().build());
        codecs.put("lz4", Compression.lz4().build());
        codecs.put("zstd", Compression.zstd().build());
        codecs.forEach(BatchVectors::showCodec);
        MemoryRecordsBuilder builder = MemoryRecords.builder(ByteBuffer.allocate(1024), RecordBatch.MAGIC_VALUE_V2,
            Compression.NONE, TimestampType.LOG_APPEND_TIME, 9L, 1700000005555L);
        for (SimpleRecord record : records()) builder.append(record);
        show("log append time", builder.build());
        show("commit marker", marker(77L, ControlRecordType.COMMIT, 31));
        show("abort marker", marker(78L, ControlRecordType.ABORT, 32));
    }

    static void showCodec(String name, Compression codec) {
        show(name, MemoryRecords.withRecords(42L, codec, 7, records()));
        show(name + " transactional",
            MemoryRecords.withTransactionalRecords(0L, codec, 123456789012L, (short) 3, 2147483646, 5, records()));
        if (name.equals("none")) return;
        SimpleRecord[] many = new SimpleRecord[1400];
        for (int index = 0; index < many.length; index++) {
            String line = "line " + (index % 7) + " of a log that is larger than a block of snappy";
            many[index] = new SimpleRecord(1700000000000L + index, null, line.getBytes());
        }
        MemoryRecords large = MemoryRecords.withRecords(0L, codec, 0, many);
        System.out.printf("{\"name\":\"%s 1400\",\"hex\":%s,\"count\":1400}%n", name, hex(large.buffer()));
    }

    static MemoryRecords marker(long offset, ControlRecordType type, int coordinatorEpoch) {
        return MemoryRecords.withEndTransactionMarker(offset, 1700000000000L, 4, 987654321L, (short) 12,
            new EndTransactionMarker(type, coordinatorEpoch));
    }

    static SimpleRecord[] records() {
        Header[] headers = {
            new RecordHeader("path", "/var/log/a.log".getBytes()),
            new RecordHeader("none", (byte[]) null),
            new RecordHeader("größe", new byte[0]),
        };
        return new SimpleRecord[] {
            new SimpleRecord(1700000000000L, "k1".getBytes(), "first value ".repeat(5).trim().getBytes(), headers),
            new SimpleRecord(1699999999000L, (byte[]) null, "earlier".getBytes()),
            new SimpleRecord(1700000100000L, "k1".getBytes(), (byte[]) null),
            new SimpleRecord(1700000000001L, new byte[0], new byte[0]),
            new SimpleRecord(1700000000002L, null, new byte[300]),
        };
    }

    static void show(String name, MemoryRecords memory) {
        RecordBatch batch = memory.batches().iterator().next();
        List<String> records = new ArrayList<>();
        for (Record record : batch) records.add(json(record));
        System.out.printf("{\"name\":\"%s\",\"hex\":%s,\"compression\":\"%s\",\"baseOffset\":%d,\"lastOffset\":%d,"
                + "\"maxTimestampMs\":%d,\"producerId\":%d,\"producerEpoch\":%d,\"baseSequence\":%d,\"lastSequence\":%d,"
                + "\"partitionLeaderEpoch\":%d,\"isTransactional\":%b,\"isControl\":%b,\"isLogAppendTime\":%b,\"records\":[%s]}%n",
            name, hex(memory.buffer()), batch.compressionType().name, batch.baseOffset(), batch.lastOffset(),
            batch.maxTimestamp(), batch.producerId(), batch.producerEpoch(), batch.baseSequence(), batch.lastSequence(),
            batch.partitionLeaderEpoch(), batch.isTransactional(), batch.isControlBatch(),
            batch.timestampType() == TimestampType.LOG_APPEND_TIME, String.join(",", records));
    }

    static String json(Record record) {
        List<String> headers = new ArrayList<>();
        for (Header header : record.headers()) {
            headers.add("[\"" + header.key() + "\"," + hex(Utils.wrapNullable(header.value())) + "]");
        }
        return String.format("{\"offset\":%d,\"timestampMs\":%d,\"key\":%s,\"value\":%s,\"headers\":[%s]}",
            record.offset(), record.timestamp(), hex(record.key()), hex(record.value()), String.join(",", headers));
    }

    static String hex(ByteBuffer buffer) {
        return buffer == null ? "null" : "\"" + HexFormat.of().formatHex(Utils.toArray(buffer)) + "\"";
    }

    static void verify(Path file) throws Exception {
        for (MutableRecordBatch batch : MemoryRecords.readableRecords(ByteBuffer.wrap(Files.readAllBytes(file))).batches()) {
            batch.ensureValid();
            long count = 0;
            for (Record record : batch) {
                record.ensureValid();
                count++;
            }
            System.out.println(batch + " records=" + count);
        }
    }
}
