/* SPDX-License-Identifier: Apache-2.0
 *
 * Makes tests/golden: frames filled with Kafka's own schemas and what Kafka reads in them, so that Turnout's table
 * and walker are compared with something that shares no line with them. Run it by contrib/kafka-golden.
 * Every frame is read by the generated message class and written again; only one that comes back byte for byte is kept.
 * The values are made from a fixed seed per message and version: the same release gives the same files.
 */
import java.io.PrintWriter;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Locale;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.message.ApiMessageType;
import org.apache.kafka.common.message.ConsumerProtocolAssignment;
import org.apache.kafka.common.message.ConsumerProtocolSubscription;
import org.apache.kafka.common.message.RequestHeaderData;
import org.apache.kafka.common.message.ResponseHeaderData;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.protocol.Errors;
import org.apache.kafka.common.protocol.Message;
import org.apache.kafka.common.protocol.ObjectSerializationCache;
import org.apache.kafka.common.protocol.types.BoundField;
import org.apache.kafka.common.protocol.types.Field;
import org.apache.kafka.common.protocol.types.RawTaggedField;
import org.apache.kafka.common.protocol.types.Schema;
import org.apache.kafka.common.protocol.types.Struct;
import org.apache.kafka.common.protocol.types.TaggedFields;
import org.apache.kafka.common.protocol.types.Type;
import org.apache.kafka.common.record.internal.MemoryRecords;
import org.apache.kafka.common.record.internal.SimpleRecord;

public class KafkaGolden {
    /** How a message is filled. */
    enum Kind {
        rich, /* several elements, every tag, unknown tags */
        thin, /* one element in each array, null where the version allows it, no tags */
        bare  /* null or empty throughout */
    }

    /** Names that the snake case of Kafka's schemas does not give back. */
    static final Map<String, String> SPELLING = Map.of(
        "CreateTopicsRequest.timeout_ms", "timeoutMs", "CreateTopicsRequest.validate_only", "validateOnly");
    static final int[] UNKNOWN_TAGS = {77, 300, 2097152};

    final String message;
    final boolean request;
    final Kind kind;
    final Random random;

    KafkaGolden(String message, boolean request, Kind kind, Random random) {
        this.message = message;
        this.request = request;
        this.kind = kind;
        this.random = random;
    }

    boolean oneIn(int n) {
        return random.nextInt(n) == 0;
    }

    @SafeVarargs
    final <T> T pick(T... from) {
        return from[random.nextInt(from.length)];
    }

    /* Filling */

    Struct fill(Schema schema, int depth) {
        Struct struct = new Struct(schema);
        for (BoundField bound : schema.fields()) {
            Field field = bound.def;
            struct.set(bound, field.type instanceof TaggedFields
                ? tags((TaggedFields) field.type, depth) : value(field.name, field.type, depth));
        }
        return struct;
    }

    TreeMap<Integer, Object> tags(TaggedFields type, int depth) {
        TreeMap<Integer, Object> tags = new TreeMap<>();
        if (kind != Kind.rich)
            return tags;
        for (Map.Entry<Integer, Field> known : type.fields().entrySet())
            tags.put(known.getKey(), value(known.getValue().name, known.getValue().type, depth));
        if (depth == 0 || oneIn(4)) {
            byte[] data = new byte[random.nextInt(6)];
            random.nextBytes(data);
            int tag = UNKNOWN_TAGS[random.nextInt(UNKNOWN_TAGS.length)];
            tags.put(tag, new RawTaggedField(tag, data));
        }
        return tags;
    }

    Object value(String name, Type type, int depth) {
        boolean compound = type.isArray() && type.arrayElementType().get() instanceof Schema;
        if (type.isNullable() && (kind != Kind.rich && !(kind == Kind.thin && compound)
                || kind == Kind.rich && !compound && !(type instanceof Schema) && oneIn(8)))
            return null;
        if (type.isArray())
            return array(name, type.arrayElementType().get(), depth);
        if (type instanceof Schema)
            return fill((Schema) type, depth + 1);
        String kindOfType = type.toString().replace("COMPACT_", "").replace("NULLABLE_", "");
        switch (kindOfType) {
            case "BOOLEAN": return random.nextBoolean();
            case "INT8": return (byte) number(name, Byte.MAX_VALUE);
            case "INT16": return (short) number(name, Short.MAX_VALUE);
            case "INT32": return (int) number(name, Integer.MAX_VALUE);
            case "INT64": return number(name, Long.MAX_VALUE);
            case "UUID": return new Uuid(random.nextLong(), random.nextLong());
            case "STRING": return string(name);
            case "BYTES": return bytes(name);
            case "RECORDS": return records();
            default: throw new IllegalStateException("no values for " + type);
        }
    }

    Object[] array(String name, Type element, int depth) {
        int n = kind == Kind.bare ? 0 : kind == Kind.thin ? 1
            : element instanceof Schema ? (depth == 0 ? 2 : 1 + random.nextInt(2)) : random.nextInt(4);
        Object[] out = new Object[n];
        for (int i = 0; i < n; i++)
            out[i] = element instanceof Schema ? fill((Schema) element, depth + 1) : value(name, element, depth);
        return out;
    }

    long number(String name, long max) {
        switch (name) {
            case "acks": return random.nextInt(3) - 1;
            case "key_type": return random.nextInt(2);
            case "resource_type": case "resource_types": return pick(2, 32, 4);
            case "port": return 9092 + random.nextInt(3);
            case "error_code": case "partition_error_code": case "topic_config_error_code":
                return oneIn(2) ? 0 : random.nextInt(134);
            case "node_id": case "broker_id": case "leader_id": case "controller_id": case "broker_ids":
            case "replica_nodes": case "isr_nodes": case "offline_replicas": case "preferred_read_replica":
            case "replicas": case "adding_replicas": case "removing_replicas": case "eligible_leader_replicas": case "last_known_elr":
                return pick(1, 2, 3, 3, 9, -1);
            default:
                return pick(0L, 1L, -1L, (long) random.nextInt(100), random.nextLong(max), max, -max - 1);
        }
    }

    String string(String name) {
        if (kind == Kind.bare || kind == Kind.thin && oneIn(3))
            return "";
        switch (name) {
            case "topic": case "name": case "topic_names": case "group_id": case "groups": case "groups_names":
            case "transactional_id": case "v3_and_below_transactional_id": case "key": case "coordinator_keys":
            case "resource_name": case "topics": case "topic_name": case "transactional_ids":
                String word = pick("users", "orders", "a.b_c-9", "x".repeat(119 + random.nextInt(12)));
                return request ? word : pick("teamA", "teamA", "teamA", "teamB") + word;
            case "host": case "client_host": return "kafka" + (1 + random.nextInt(3)) + ".backend.example";
            case "cluster_id": return "physicalClusterIdOfA__";
            case "error_message": case "batch_index_error_message":
                return "Topic 'teamAusers' is unknown to kafka1.backend.example:9092";
            case "protocol_type": return "consumer";
            default:
                return oneIn(12) ? "z\u00fcrich \u03bb\u20ac \"q\" \\ \n"
                    : oneIn(12) ? "y".repeat(125 + random.nextInt(6)) : name + "-" + random.nextInt(100);
        }
    }

    ByteBuffer bytes(String name) {
        if (kind == Kind.bare)
            return ByteBuffer.allocate(0);
        if (name.equals("metadata") || name.equals("member_metadata"))
            return embedded(ConsumerProtocolSubscription.SCHEMAS);
        if (name.equals("assignment") || name.equals("member_assignment"))
            return embedded(ConsumerProtocolAssignment.SCHEMAS);
        byte[] out = new byte[oneIn(12) ? 126 + random.nextInt(4) : random.nextInt(9)];
        random.nextBytes(out);
        return ByteBuffer.wrap(out);
    }

    ByteBuffer embedded(Schema[] schemas) {
        short version = (short) random.nextInt(schemas.length);
        ByteBuffer body = write(fill(schemas[version], 1));
        ByteBuffer out = ByteBuffer.allocate(2 + body.remaining());
        out.putShort(version).put(body).flip();
        return out;
    }

    MemoryRecords records() {
        if (kind != Kind.rich)
            return MemoryRecords.EMPTY;
        SimpleRecord[] records = new SimpleRecord[1 + random.nextInt(2)];
        for (int i = 0; i < records.length; i++)
            records[i] = new SimpleRecord(1700000000000L + i, ("v" + random.nextInt(1000)).getBytes(StandardCharsets.UTF_8));
        return MemoryRecords.withRecords(Compression.NONE, records);
    }

    /* Writing, and having it read */

    static ByteBuffer write(Struct struct) {
        ByteBuffer out = ByteBuffer.allocate(struct.sizeOf());
        struct.writeTo(out);
        out.flip();
        return out;
    }

    /** What the generated class makes of these bytes. */
    static ByteBuffer again(Message message, ByteBuffer in, short version) {
        message.read(new ByteBufferAccessor(in.duplicate()), version);
        ObjectSerializationCache cache = new ObjectSerializationCache();
        ByteBuffer out = ByteBuffer.allocate(message.size(cache, version));
        message.write(new ByteBufferAccessor(out), cache, version);
        out.flip();
        return out;
    }

    interface Maker {
        Message make();
    }

    /** Filled bytes that Kafka's own class reads and writes back unchanged. A tag that happens to have its default
     *  value is left out by it: then other values are tried. */
    static ByteBuffer body(String name, boolean request, Kind kind, Schema schema, Maker maker, short version) {
        for (int attempt = 0; attempt < 200; attempt++) {
            Random random = new Random((name + version + kind).hashCode() * 1000L + attempt);
            ByteBuffer bytes = write(new KafkaGolden(name, request, kind, random).fill(schema, 0));
            if (again(maker.make(), bytes, version).equals(bytes))
                return bytes;
        }
        throw new IllegalStateException(name + " v" + version + " " + kind + ": Kafka reads something else");
    }

    static ByteBuffer header(ApiMessageType type, boolean request, Kind kind, short version) {
        short headerVersion = request ? type.requestHeaderVersion(version) : type.responseHeaderVersion(version);
        Schema schema = request ? RequestHeaderData.SCHEMAS[headerVersion] : ResponseHeaderData.SCHEMAS[headerVersion];
        Random random = new Random(type.apiKey() * 100L + version);
        KafkaGolden filler = new KafkaGolden("header", request, kind, random);
        Struct struct = filler.fill(schema, 0);
        struct.set("correlation_id", 1000 * type.apiKey() + version);
        if (request) {
            struct.set("request_api_key", type.apiKey());
            struct.set("request_api_version", version);
        }
        ByteBuffer bytes = write(struct);
        Message message = request ? new RequestHeaderData() : new ResponseHeaderData();
        if (!again(message, bytes, headerVersion).equals(bytes))
            throw new IllegalStateException("header of " + type.name + " v" + version);
        return bytes;
    }

    /* The dump */

    static String camel(String message, String snake) {
        String spelling = SPELLING.get(message + "." + snake);
        if (spelling != null)
            return spelling;
        StringBuilder out = new StringBuilder();
        for (String word : snake.split("_"))
            out.append(word.substring(0, 1).toUpperCase(Locale.ROOT)).append(word.substring(1));
        return out.toString();
    }

    static void dump(PrintWriter out, String message, String path, Struct struct) {
        for (BoundField bound : struct.schema().fields()) {
            if (!(bound.def.type instanceof TaggedFields)) {
                dump(out, message, path + camel(message, bound.def.name), struct.get(bound), bound.def.type);
                continue;
            }
            Map<Integer, Field> known = ((TaggedFields) bound.def.type).fields();
            for (Map.Entry<?, ?> tag : ((Map<?, ?>) struct.get(bound)).entrySet()) {
                Field field = known.get(tag.getKey());
                if (field != null)
                    dump(out, message, path + camel(message, field.name), tag.getValue(), field.type);
                else
                    out.println(path + "#" + tag.getKey() + " = " + hex(((RawTaggedField) tag.getValue()).data()));
            }
        }
    }

    static void dump(PrintWriter out, String message, String path, Object value, Type type) {
        if (value instanceof Struct) {
            dump(out, message, path + ".", (Struct) value);
        } else if (value instanceof Object[]) {
            Object[] elements = (Object[]) value;
            out.println(path + " = [" + elements.length + "]");
            for (int i = 0; i < elements.length; i++)
                dump(out, message, path + "[" + i + "]", elements[i], type.arrayElementType().get());
        } else {
            out.println(path + " = " + text(value));
        }
    }

    static String text(Object value) {
        if (value == null)
            return "null";
        if (value instanceof String)
            return quote(((String) value).getBytes(StandardCharsets.UTF_8));
        if (value instanceof Uuid) {
            Uuid id = (Uuid) value;
            return hex(ByteBuffer.allocate(16).putLong(id.getMostSignificantBits()).putLong(id.getLeastSignificantBits()).array());
        }
        if (value instanceof MemoryRecords)
            return hex(bytesOf(((MemoryRecords) value).buffer()));
        if (value instanceof ByteBuffer)
            return hex(bytesOf((ByteBuffer) value));
        return value.toString();
    }

    static byte[] bytesOf(ByteBuffer buffer) {
        byte[] out = new byte[buffer.remaining()];
        buffer.duplicate().get(out);
        return out;
    }

    static String hex(byte[] bytes) {
        StringBuilder out = new StringBuilder("hex:");
        for (byte b : bytes)
            out.append(String.format("%02x", b));
        return out.toString();
    }

    static String quote(byte[] bytes) {
        StringBuilder out = new StringBuilder("\"");
        for (byte b : bytes)
            out.append(b < 0x20 || b > 0x7e || b == '"' || b == '\\' ? String.format("\\x%02x", b) : (char) b);
        return out.append('"').toString();
    }

    static void frame(PrintWriter out, ApiMessageType type, boolean request, Kind kind, short version) {
        String name = type.name + (request ? "Request" : "Response");
        Schema schema = (request ? type.requestSchemas() : type.responseSchemas())[version];
        short headerVersion = request ? type.requestHeaderVersion(version) : type.responseHeaderVersion(version);
        ByteBuffer header = header(type, request, kind, version);
        ByteBuffer body = body(name, request, kind, schema, request ? type::newRequest : type::newResponse, version);
        ByteBuffer frame = ByteBuffer.allocate(4 + header.remaining() + body.remaining());
        frame.putInt(header.remaining() + body.remaining()).put(header.duplicate()).put(body.duplicate()).flip();
        out.println("@ " + (request ? "request" : "response") + " " + version + " " + kind);
        out.println(hex(bytesOf(frame)).substring(4));
        Schema[] headers = request ? RequestHeaderData.SCHEMAS : ResponseHeaderData.SCHEMAS;
        dump(out, "header", "header.", headers[headerVersion].read(header));
        dump(out, name, "", schema.read(body));
    }

    static void api(Path directory, String name, short min, short max) throws Exception {
        ApiMessageType type = Arrays.stream(ApiMessageType.values()).filter(t -> t.name.equals(name)).findFirst().get();
        try (PrintWriter out = new PrintWriter(directory.resolve(name + ".txt").toFile(), "UTF-8")) {
            for (boolean request : new boolean[] {true, false})
                for (short version = min; version <= max; version++)
                    for (Kind kind : Kind.values())
                        frame(out, type, request, kind, version);
        }
    }

    static void data(Path directory, String name, Schema[] schemas, Maker maker) throws Exception {
        try (PrintWriter out = new PrintWriter(directory.resolve(name + ".txt").toFile(), "UTF-8")) {
            for (short version = 0; version < schemas.length; version++)
                for (Kind kind : Kind.values()) {
                    ByteBuffer body = body(name, true, kind, schemas[version], maker, version);
                    out.println("@ data " + version + " " + kind);
                    out.println(String.format("%04x", version) + hex(bytesOf(body)).substring(4));
                    dump(out, name, "", schemas[version].read(body));
                }
        }
    }

    public static void main(String[] args) throws Exception {
        if (args[0].equals("--errors")) {
            for (Errors error : Errors.values())
                System.out.println(error.code() + ", " + error.name());
            return;
        }
        Path directory = Path.of(args[0]);
        Files.createDirectories(directory);
        for (String arg : Arrays.copyOfRange(args, 1, args.length)) {
            String[] part = arg.split(":");
            api(directory, part[0], Short.parseShort(part[1]), Short.parseShort(part[2]));
        }
        data(directory, "ConsumerProtocolSubscription", ConsumerProtocolSubscription.SCHEMAS, ConsumerProtocolSubscription::new);
        data(directory, "ConsumerProtocolAssignment", ConsumerProtocolAssignment.SCHEMAS, ConsumerProtocolAssignment::new);
    }
}
