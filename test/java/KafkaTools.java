import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.net.MalformedURLException;
import java.net.URL;
import java.net.URLClassLoader;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.kafka.common.utils.Exit;

/**
 * Runs Kafka's command line tools one after the other in this process, because starting a process
 * for each takes longer than what they do. Each line of the input is a call: the main class, then
 * what the tool reads, then its arguments, the last two in base64, separated by tabs. Each call is
 * answered with a line: the word "result", the exit code, and what was printed on either stream.
 * Not for tools that do something when their process ends.
 */
public final class KafkaTools {
    private static final int STILL_RUNNING = -1;

    /** Thrown where a tool would end its process; tools may catch it, and say it again. */
    private static final class ToolExit extends RuntimeException {
        private ToolExit(String message) {
            super(message, null, false, false);
        }
    }

    /** Tools count in static fields: each run gets classes of its own, the clients are shared. */
    private static final class ToolLoader extends URLClassLoader {
        private ToolLoader() {
            super(classPath(), KafkaTools.class.getClassLoader());
        }

        @Override
        protected Class<?> loadClass(String name, boolean resolve) throws ClassNotFoundException {
            if (!name.startsWith("org.apache.kafka.tools.")) return super.loadClass(name, resolve);
            synchronized (getClassLoadingLock(name)) {
                Class<?> loaded = findLoadedClass(name);
                return loaded == null ? findClass(name) : loaded;
            }
        }

        private static URL[] classPath() {
            return Arrays.stream(System.getProperty("java.class.path").split(File.pathSeparator))
                .map(path -> {
                    try {
                        return new File(path).toURI().toURL();
                    } catch (MalformedURLException e) {
                        throw new IllegalStateException(e);
                    }
                })
                .toArray(URL[]::new);
        }
    }

    /** What is printed goes to the call that runs. */
    private static final class Output extends OutputStream {
        private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();

        @Override
        public synchronized void write(int b) {
            bytes.write(b);
        }

        @Override
        public synchronized void write(byte[] b, int off, int len) {
            bytes.write(b, off, len);
        }

        private synchronized String take() {
            String encoded = Base64.getEncoder().encodeToString(bytes.toByteArray());
            bytes.reset();
            return encoded;
        }
    }

    private KafkaTools() {
    }

    public static void main(String[] args) throws IOException {
        PrintStream answers = System.out;
        Output out = new Output();
        Output err = new Output();
        System.setOut(new PrintStream(out, true));
        System.setErr(new PrintStream(err, true));
        BufferedReader calls = new BufferedReader(new InputStreamReader(System.in));
        for (String call = calls.readLine(); call != null; call = calls.readLine()) {
            String[] parts = call.split("\t", -1);
            System.setIn(new ByteArrayInputStream(Base64.getDecoder().decode(parts[1])));
            String[] toolArgs = Arrays.stream(parts).skip(2).map(KafkaTools::decode).toArray(String[]::new);
            int code = run(parts[0], toolArgs);
            System.out.flush();
            System.err.flush();
            answers.println("result\t" + code + "\t" + out.take() + "\t" + err.take());
        }
        // Threads that a tool has left behind do not keep this process.
        Runtime.getRuntime().halt(0);
    }

    private static String decode(String base64) {
        return new String(Base64.getDecoder().decode(base64));
    }

    private static int run(String mainClass, String[] args) {
        AtomicInteger exitCode = new AtomicInteger(STILL_RUNNING);
        Exit.Procedure exit = (code, message) -> {
            exitCode.compareAndSet(STILL_RUNNING, code);
            throw new ToolExit(message);
        };
        Exit.setExitProcedure(exit);
        Exit.setHaltProcedure(exit);
        List<Runnable> hooks = new ArrayList<>();
        Exit.setShutdownHookAdder((name, hook) -> hooks.add(hook));
        try {
            // Not closed: what the tool has left running may still need classes.
            ToolLoader loader = new ToolLoader();
            Thread.currentThread().setContextClassLoader(loader);
            loader.loadClass(mainClass).getMethod("main", String[].class).invoke(null, (Object) args);
            exitCode.compareAndSet(STILL_RUNNING, 0);
        } catch (InvocationTargetException e) {
            if (exitCode.compareAndSet(STILL_RUNNING, 1)) e.getCause().printStackTrace();
        } catch (ReflectiveOperationException e) {
            e.printStackTrace();
            exitCode.set(1);
        }
        hooks.forEach(Runnable::run);
        return exitCode.get();
    }
}
