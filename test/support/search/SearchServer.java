import java.lang.reflect.Constructor;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.function.Supplier;

/**
 * One node of Elasticsearch (8, 9) or OpenSearch (2, 3) on loopback, from the jars on the class path. Everything of theirs is reached by reflection, so that
 * this file is compiled once, by any JDK, for servers that need a newer one.
 *
 * Arguments: elasticsearch|opensearch HOME DIRECTORY PORT [setting=value ...]. HOME/modules holds Elasticsearch's modules.
 */
public final class SearchServer {
  public static void main(String[] args) throws Exception {
    boolean elastic = args[0].equals("elasticsearch");
    String root = elastic ? "org.elasticsearch." : "org.opensearch.";
    Path home = Path.of(args[1]);
    Path directory = Path.of(args[2]);
    for (String name : List.of("data", "logs", "config")) Files.createDirectories(directory.resolve(name));
    for (String name : List.of("modules", "plugins")) Files.createDirectories(home.resolve(name));
    Class<?> logs = Class.forName(root + "common.logging.LogConfigurator");
    if (elastic) call(logs, "configureESLogging");
    call(logs, "registerErrorListener");

    Object builder = call(Class.forName(root + "common.settings.Settings"), "builder");
    put(builder, "path.home", home.toString());
    put(builder, "path.data", directory.resolve("data").toString());
    put(builder, "path.logs", directory.resolve("logs").toString());
    put(builder, "node.name", "one");
    put(builder, "cluster.name", "tailrace-test");
    put(builder, "discovery.type", "single-node");
    put(builder, "network.host", "127.0.0.1");
    put(builder, "http.port", args[3]);
    put(builder, "transport.port", "0");
    put(builder, "node.store.allow_mmap", "false");
    put(builder, "cluster.routing.allocation.disk.threshold_enabled", "false");
    for (int index = 4; index < args.length; index++) {
      String[] setting = args[index].split("=", 2);
      put(builder, setting[0], setting[1]);
    }
    Supplier<String> nodeName = () -> "one";
    Object environment = call(Class.forName(root + "node.InternalSettingsPreparer"), "prepareEnvironment",
        call(builder, "build"), Map.of(), directory.resolve("config"), nodeName);
    AutoCloseable node = (AutoCloseable) (elastic ? elasticNode(logs, builder, environment, home) : openNode(environment));
    call(node, "start");
    Runtime.getRuntime().addShutdownHook(new Thread(() -> {
      try {
        node.close();
      } catch (Exception error) {
        error.printStackTrace();
      }
    }));
    System.out.println("started");
    new CountDownLatch(1).await();
  }

  private static Object elasticNode(Class<?> logs, Object builder, Object environment, Path home) throws Exception {
    call(logs, "configureWithoutConfig", call(builder, "build"));
    Class<?> loader = Class.forName("org.elasticsearch.plugins.PluginsLoader");
    Object bundles;
    try {
      bundles = call(loader, "loadModulesBundles", home.resolve("modules"), false);
    } catch (NoSuchMethodException older) {
      bundles = call(loader, "loadModulesBundles", home.resolve("modules"));
    }
    Object plugins = call(loader, "createPluginsLoader", bundles, Set.of(), Map.of(), false);
    return create(Class.forName("org.elasticsearch.node.Node"), environment, plugins);
  }

  /** Version 2 takes the classes of plugins, version 3 descriptions of them. */
  private static Object openNode(Object environment) throws Exception {
    List<Object> plugins = new ArrayList<>();
    try {
      plugins.add(Class.forName("org.opensearch.transport.Netty4Plugin"));
    } catch (ClassNotFoundException newer) {
      String name = "org.opensearch.transport.Netty4ModulePlugin";
      Object version = Class.forName("org.opensearch.Version").getField("CURRENT").get(null);
      for (Constructor<?> constructor : Class.forName("org.opensearch.plugins.PluginInfo").getConstructors()) {
        Class<?>[] types = constructor.getParameterTypes();
        if (types.length != 9 || !types[3].isInstance(version)) continue;
        plugins.add(constructor.newInstance(name, "from the class path", "1", version, "21", name, null, List.of(), false));
        break;
      }
    }
    return create(Class.forName("org.opensearch.node.Node"), environment, plugins, false);
  }

  private static void put(Object builder, String key, String value) throws Exception {
    builder.getClass().getMethod("put", String.class, String.class).invoke(builder, key, value);
  }

  /** Calls a method of an object, or a static one of a class, by name and what the arguments fit. */
  private static Object call(Object target, String name, Object... arguments) throws Exception {
    Class<?> type = target instanceof Class<?> itself ? itself : target.getClass();
    for (Method method : type.getMethods()) {
      if (!method.getName().equals(name) || !fits(method.getParameterTypes(), arguments)) continue;
      try {
        return method.invoke(target instanceof Class<?> ? null : target, arguments);
      } catch (InvocationTargetException error) {
        throw error.getCause() instanceof Exception cause ? cause : error;
      }
    }
    throw new NoSuchMethodException(type + "." + name);
  }

  private static Object create(Class<?> type, Object... arguments) throws Exception {
    for (Constructor<?> constructor : type.getDeclaredConstructors()) {
      if (!fits(constructor.getParameterTypes(), arguments)) continue;
      constructor.setAccessible(true);
      return constructor.newInstance(arguments);
    }
    throw new NoSuchMethodException("constructor of " + type);
  }

  private static boolean fits(Class<?>[] types, Object[] arguments) {
    if (types.length != arguments.length) return false;
    for (int index = 0; index < types.length; index++) {
      Class<?> type = types[index] == boolean.class ? Boolean.class : types[index];
      if (!type.isInstance(arguments[index])) return false;
    }
    return true;
  }
}
