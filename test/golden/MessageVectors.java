// Fills Kafka's generated messages with seeded random values, one for each version, and prints bytes and JSON (see README.md).
import com.fasterxml.jackson.databind.JsonNode;
import java.lang.reflect.Method;
import java.lang.reflect.ParameterizedType;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HexFormat;
import java.util.Random;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.protocol.Message;
import org.apache.kafka.common.protocol.ObjectSerializationCache;
import org.apache.kafka.common.protocol.types.BoundField;
import org.apache.kafka.common.protocol.types.Field;
import org.apache.kafka.common.protocol.types.Schema;
import org.apache.kafka.common.protocol.types.TaggedFields;
import org.apache.kafka.common.protocol.types.Type;
import org.apache.kafka.common.record.internal.BaseRecords;
import org.apache.kafka.common.record.internal.MemoryRecords;
import org.apache.kafka.common.record.internal.SimpleRecord;

public class MessageVectors {
    static final Random RANDOM = new Random();
    static final String[] WORDS = {"a", "app", "größe", "x-1", "", "日本", "broker"};

    public static void main(String[] arguments) throws Exception {
        for (String argument : arguments) {
            String[] parts = argument.split(":");
            for (short version = Short.parseShort(parts[2]); version <= Short.parseShort(parts[3]); version++) {
                print(Class.forName(parts[0]), parts[1], version);
            }
        }
    }

    static void print(Class<?> type, String name, short version) throws Exception {
        RANDOM.setSeed((name + version).hashCode());
        Schema schema = ((Schema[]) type.getField("SCHEMAS").get(null))[version];
        Message message = (Message) fill(type.getDeclaredConstructor().newInstance(), schema);
        ObjectSerializationCache cache = new ObjectSerializationCache();
        ByteBuffer buffer = ByteBuffer.allocate(message.size(cache, version));
        message.write(new ByteBufferAccessor(buffer), cache, version);
        Class<?> converter = Class.forName(type.getName() + "JsonConverter");
        JsonNode json = (JsonNode) converter.getMethod("write", type, short.class, boolean.class)
            .invoke(null, message, version, true);
        System.out.printf("{\"message\":\"%s\",\"version\":%d,\"hex\":\"%s\",\"value\":%s}%n",
            name, version, HexFormat.of().formatHex(buffer.array()), json);
    }

    /** Sets every field that the schema of a version has; tagged ones three times out of four. */
    static Object fill(Object target, Schema schema) throws Exception {
        for (BoundField bound : schema.fields()) {
            if (bound.def.type instanceof TaggedFields tagged) {
                for (Field field : tagged.fields().values()) if (RANDOM.nextInt(4) != 0) set(target, field);
            } else {
                set(target, bound.def);
            }
        }
        return target;
    }

    static void set(Object target, Field field) throws Exception {
        StringBuilder setter = new StringBuilder("set");
        for (String part : field.name.split("_")) {
            setter.append(Character.toUpperCase(part.charAt(0))).append(part.substring(1));
        }
        for (Method method : target.getClass().getMethods()) {
            if (!method.getName().contentEquals(setter)) continue;
            method.invoke(target, value(method.getParameterTypes()[0], method.getGenericParameterTypes()[0], field.type));
            return;
        }
        throw new IllegalStateException(target.getClass() + " has no " + setter);
    }

    @SuppressWarnings("unchecked")
    static Object value(Class<?> type, java.lang.reflect.Type generic, Type wire) throws Exception {
        boolean canBeNull = wire.isNullable() && !type.isPrimitive() && type != BaseRecords.class;
        if (canBeNull && RANDOM.nextInt(4) == 0) return null;
        if (type == boolean.class) return RANDOM.nextBoolean();
        if (type == byte.class) return (byte) RANDOM.nextInt(256);
        if (type == short.class) return (short) RANDOM.nextInt(65536);
        if (type == int.class) return wire == Type.UINT16 ? RANDOM.nextInt(65536) : RANDOM.nextInt();
        if (type == long.class) return RANDOM.nextInt(3) == 0 ? -1L - RANDOM.nextInt(1000) : RANDOM.nextLong() >>> 12;
        if (type == double.class) return RANDOM.nextInt() / 8.0;
        if (type == String.class) return WORDS[RANDOM.nextInt(WORDS.length)];
        if (type == Uuid.class) return new Uuid(RANDOM.nextLong(), RANDOM.nextLong());
        if (type == byte[].class) return someBytes();
        if (type == ByteBuffer.class) return ByteBuffer.wrap(someBytes());
        if (type == BaseRecords.class) {
            return MemoryRecords.withRecords(Compression.NONE, new SimpleRecord(1000L, "k".getBytes(), "v".getBytes()));
        }
        if (!Collection.class.isAssignableFrom(type)) {
            return fill(type.getDeclaredConstructor().newInstance(), schemaOf(wire));
        }
        ParameterizedType parameterized =
            (ParameterizedType) (generic instanceof ParameterizedType ? generic : type.getGenericSuperclass());
        Class<?> element = (Class<?>) parameterized.getActualTypeArguments()[0];
        Collection<Object> list = type.isInterface()
            ? new ArrayList<>() : (Collection<Object>) type.getDeclaredConstructor().newInstance();
        for (int count = 1 + RANDOM.nextInt(2); count > 0; count--) list.add(element(element, wire.arrayElementType().get()));
        return list;
    }

    static Object element(Class<?> type, Type wire) throws Exception {
        if (type == Integer.class) return RANDOM.nextInt();
        if (type == Byte.class) return (byte) RANDOM.nextInt(256);
        if (type == Short.class) return (short) RANDOM.nextInt(65536);
        if (type == Long.class) return (long) RANDOM.nextInt();
        if (type == double.class) return RANDOM.nextInt() / 8.0;
        if (type == String.class) return WORDS[RANDOM.nextInt(WORDS.length)];
        if (type == Uuid.class) return new Uuid(RANDOM.nextLong(), RANDOM.nextLong());
        return fill(type.getDeclaredConstructor().newInstance(), (Schema) wire);
    }

    static byte[] someBytes() {
        byte[] bytes = new byte[RANDOM.nextInt(6)];
        RANDOM.nextBytes(bytes);
        return bytes;
    }

    /** A nullable struct keeps its schema in a private field. */
    static Schema schemaOf(Type wire) throws Exception {
        if (wire instanceof Schema schema) return schema;
        for (java.lang.reflect.Field field : wire.getClass().getDeclaredFields()) {
            if (!Schema.class.isAssignableFrom(field.getType())) continue;
            field.setAccessible(true);
            return (Schema) field.get(wire);
        }
        throw new IllegalStateException("no schema in " + wire.getClass());
    }
}
