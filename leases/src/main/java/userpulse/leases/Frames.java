package userpulse.leases;

import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/**
 * The frames between ingest and this program, in both directions: length of what follows (u32), type (u8), handle of a
 * lease (u32, 0 where it is about none), and texts, each as its length in bytes (u32) and UTF-8. Numbers are big-endian.
 * backend/src/leases/frames.ts is the other side.
 */
final class Frames {
  /** What the frames of both directions mean; raised when it changes, so that a program of another version is refused. */
  static final int PROTOCOL = 1;

  /** To ingest. READY: protocol. GIVEN: shard, checkpoint, state. RESULT: id, outcome, reason. */
  static final int READY = 1, GIVEN = 2, LOST = 3, WANTED = 4, ENDED = 5, RESULT = 6, ECHO = 7;

  /** From ingest. SAVE: id, state. END: id, children. ALIVE comes every second. */
  static final int SAVE = 1, END = 2, RELEASE = 3, SHUTDOWN = 4, ALIVE = 5;

  /** Far above any state: a DynamoDB item has at most 400 KB. */
  private static final int MOST_BYTES = 1 << 20;

  record Frame(int type, int handle, List<String> texts) {}

  private Frames() {}

  /** @return null at the end of the stream */
  static Frame read(DataInputStream in) throws IOException {
    int length;
    try {
      length = in.readInt();
    } catch (EOFException end) {
      return null;
    }
    if (length < 5 || length > MOST_BYTES) throw new IOException("A frame says that it has " + length + " bytes.");
    int type = in.readUnsignedByte();
    int handle = in.readInt();
    List<String> texts = new ArrayList<>();
    for (int left = length - 5; left > 0; ) {
      int bytes = in.readInt();
      left -= 4 + bytes;
      if (bytes < 0 || left < 0) throw new IOException("A text is longer than its frame.");
      texts.add(new String(in.readNBytes(bytes), StandardCharsets.UTF_8));
    }
    return new Frame(type, handle, List.copyOf(texts));
  }

  static DataInputStream input(InputStream in) {
    return new DataInputStream(in);
  }

  /** Writes whole frames, from any thread. */
  static final class Writer {
    private final DataOutputStream out;

    Writer(OutputStream out) {
      this.out = new DataOutputStream(out);
    }

    synchronized void write(int type, int handle, String... texts) {
      try {
        List<byte[]> bodies = new ArrayList<>();
        int length = 5;
        for (String text : texts) {
          byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
          bodies.add(bytes);
          length += 4 + bytes.length;
        }
        out.writeInt(length);
        out.writeByte(type);
        out.writeInt(handle);
        for (byte[] bytes : bodies) {
          out.writeInt(bytes.length);
          out.write(bytes);
        }
        out.flush();
      } catch (IOException gone) {
        throw new UncheckedIOException("Ingest is gone.", gone);
      }
    }
  }
}
