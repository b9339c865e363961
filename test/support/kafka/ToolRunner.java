// Runs the main methods of Kafka's own tools, many at once, in one Java machine: each costs milliseconds that way instead of seconds. One JSON object a line:
//   in:  {"id":1,"main":"org.apache.kafka.tools.TopicCommand","args":["--list",…],"input":"what it reads"}, {"id":1,"stop":true}
//   out: {"id":1,"out":"text"}, {"id":1,"err":"text"} while it runs, {"id":1,"code":0} at its end
// A tool's threads inherit its streams; `stop` runs its shutdown hooks, as the end of a process would.
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.io.PrintStream;
import java.lang.reflect.Field;
import java.lang.reflect.InvocationTargetException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import org.apache.kafka.common.utils.Exit;

public final class ToolRunner {
  private static final ObjectMapper json = new ObjectMapper();
  private static final PrintStream answers = System.out;
  private static final Map<Integer, Tool> running = new ConcurrentHashMap<>();
  private static final InheritableThreadLocal<Tool> current = new InheritableThreadLocal<>();

  public static void main(String[] arguments) throws IOException {
    System.setOut(new PrintStream(new OfTool("out"), true, StandardCharsets.UTF_8));
    System.setErr(new PrintStream(new OfTool("err"), true, StandardCharsets.UTF_8));
    System.setIn(new InputOfTool());
    Exit.setExitProcedure((code, message) -> { throw current.get().end(code, message); });
    Exit.setHaltProcedure((code, message) -> { throw current.get().end(code, message); });
    Exit.setShutdownHookAdder((name, hook) -> current.get().hooks.add(hook));
    BufferedReader orders = new BufferedReader(new InputStreamReader(new java.io.FileInputStream(java.io.FileDescriptor.in), StandardCharsets.UTF_8));
    for (String line; (line = orders.readLine()) != null; ) {
      JsonNode order = json.readTree(line);
      int id = order.get("id").asInt();
      if (order.has("stop")) {
        Tool tool = running.get(id);
        if (tool != null) new Thread(tool::runHooks).start();
      } else {
        Tool tool = new Tool(id, order);
        running.put(id, tool);
        new Thread(tool).start();
      }
    }
    Runtime.getRuntime().halt(0);
  }

  private static synchronized void answer(Map<String, Object> fields) {
    try {
      answers.println(json.writeValueAsString(fields));
    } catch (IOException cause) {
      throw new IllegalStateException(cause);
    }
  }

  /** The tools' own classes, loaded for each run anew: they count in static fields, as if a process had one run. */
  private static final class OwnTools extends ClassLoader {
    OwnTools() {
      super(ToolRunner.class.getClassLoader());
    }

    @Override
    protected synchronized Class<?> loadClass(String name, boolean resolve) throws ClassNotFoundException {
      if (!name.startsWith("org.apache.kafka.tools.") && !name.startsWith("kafka.admin.")) return super.loadClass(name, resolve);
      Class<?> loaded = findLoadedClass(name);
      return loaded != null ? loaded : findClass(name);
    }

    @Override
    protected Class<?> findClass(String name) throws ClassNotFoundException {
      try (InputStream file = getParent().getResourceAsStream(name.replace('.', '/') + ".class")) {
        if (file == null) throw new ClassNotFoundException(name);
        byte[] bytes = file.readAllBytes();
        return defineClass(name, bytes, 0, bytes.length);
      } catch (IOException cause) {
        throw new ClassNotFoundException(name, cause);
      }
    }
  }

  /** Ends the thread that called exit; nobody is meant to catch it. */
  private static final class Ended extends ThreadDeath {}

  private static final class Tool implements Runnable {
    final int id;
    final String main;
    final String[] arguments;
    final InputStream input;
    private final ClassLoader own = new OwnTools();
    final List<Runnable> hooks = new CopyOnWriteArrayList<>();
    private volatile Integer code;
    /** Between its exit and its hooks nothing of a process would be left to speak. */
    private volatile boolean silent;

    Tool(int id, JsonNode order) {
      this.id = id;
      main = order.get("main").asText();
      arguments = json.convertValue(order.get("args"), String[].class);
      input = new ByteArrayInputStream(order.path("input").asText("").getBytes(StandardCharsets.UTF_8));
    }

    @Override
    public void run() {
      current.set(this);
      try {
        Thread.currentThread().setContextClassLoader(own);
        own.loadClass(main).getMethod("main", String[].class).invoke(null, (Object) arguments);
      } catch (InvocationTargetException thrown) {
        if (!(thrown.getCause() instanceof Ended)) fail(thrown.getCause());
      } catch (ReflectiveOperationException thrown) {
        fail(thrown);
      }
      runHooks();
      System.out.flush();
      running.remove(id);
      answer(Map.of("id", id, "code", code == null ? 0 : code));
    }

    /** What the tool said first counts: it may well call exit again because of the first one. */
    synchronized Ended end(int exitCode, String message) {
      if (code == null) {
        code = exitCode;
        if (message != null) System.err.println(message);
        silent = true;
      }
      return new Ended();
    }

    private void fail(Throwable thrown) {
      thrown.printStackTrace();
      end(1, null);
    }

    void runHooks() {
      current.set(this);
      silent = false;
      for (Thread hook : ofTheMachine())
        if (Runtime.getRuntime().removeShutdownHook(hook)) hook.run();
      for (Runnable hook : hooks)
        if (hooks.remove(hook)) hook.run();
    }

    /** Some tools leave their hooks with the Java machine: those of this one have its class loader. Needs --add-opens java.base/java.lang. */
    private List<Thread> ofTheMachine() {
      try {
        Class<?> machine = Class.forName("java.lang.ApplicationShutdownHooks");
        Field field = machine.getDeclaredField("hooks");
        field.setAccessible(true);
        List<Thread> found = new ArrayList<>();
        // Other tools add and remove theirs meanwhile, under this lock.
        synchronized (machine) {
          for (Object hook : ((Map<?, ?>) field.get(null)).keySet())
            if (((Thread) hook).getContextClassLoader() == own) found.add((Thread) hook);
        }
        return found;
      } catch (ReflectiveOperationException cause) {
        throw new IllegalStateException(cause);
      }
    }
  }

  /** Standard output and error: whole writes go to the tool whose thread makes them. */
  private static final class OfTool extends OutputStream {
    private final String stream;

    OfTool(String stream) {
      this.stream = stream;
    }

    @Override
    public void write(int one) {
      write(new byte[] {(byte) one}, 0, 1);
    }

    @Override
    public void write(byte[] bytes, int offset, int length) {
      Tool tool = current.get();
      if (tool != null && !tool.silent) answer(Map.of("id", tool.id, stream, new String(bytes, offset, length, StandardCharsets.UTF_8)));
    }
  }

  private static final class InputOfTool extends InputStream {
    @Override
    public int read() throws IOException {
      return current.get().input.read();
    }

    @Override
    public int read(byte[] bytes, int offset, int length) throws IOException {
      return current.get().input.read(bytes, offset, length);
    }
  }
}
