import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.EOFException;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;

import org.apache.sysds.api.DMLScript;

/**
 * Runs DML programs in SystemDS, many in one JVM; oracle.py starts it and talks to it.
 *
 * Request on standard input: the number of command-line arguments of DMLScript, then each as (length, UTF-8 bytes).
 * Answer on standard output: what the program printed, and the chain of exceptions that ended it (class, colon, message,
 * one a line), empty after success; each as (length, UTF-8 bytes).
 */
public class Oracle {
    public static void main(String[] unused) throws IOException {
        DataInputStream in = new DataInputStream(System.in);
        DataOutputStream answers = new DataOutputStream(new FileOutputStream(FileDescriptor.out));
        while (true) {
            int count;
            try {
                count = in.readInt();
            } catch (EOFException end) {
                System.exit(0);
                return;
            }
            String[] arguments = new String[count];
            for (int i = 0; i < count; i++) {
                byte[] text = new byte[in.readInt()];
                in.readFully(text);
                arguments[i] = new String(text, StandardCharsets.UTF_8);
            }
            ByteArrayOutputStream printed = new ByteArrayOutputStream();
            System.setOut(new PrintStream(printed, true, StandardCharsets.UTF_8));
            StringBuilder errors = new StringBuilder();
            try {
                DMLScript.executeScript(arguments);
            } catch (Throwable error) {
                for (Throwable e = error; e != null; e = e.getCause())
                    errors.append(e.getClass().getSimpleName()).append(": ").append(e.getMessage()).append('\n');
            }
            System.out.flush();
            send(answers, printed.toByteArray());
            send(answers, errors.toString().getBytes(StandardCharsets.UTF_8));
            answers.flush();
        }
    }

    private static void send(DataOutputStream out, byte[] text) throws IOException {
        out.writeInt(text.length);
        out.write(text);
    }
}
