package userpulse.leases;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.IOException;
import java.util.HexFormat;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class FramesTest {
  /** The same bytes as in backend/src/checkpoint/kcl-frames.test.ts. */
  private static final String PINNED = "00000010" + "01" + "00000102" + "00000001" + "37" + "00000002" + "c3a4";

  private static DataInputStream bytes(String hex) {
    return Frames.input(new ByteArrayInputStream(HexFormat.of().parseHex(hex)));
  }

  @Test
  void writesWhatIngestReads() {
    var out = new ByteArrayOutputStream();
    new Frames.Writer(out).write(1, 258, "7", "ä");
    assertArrayEquals(HexFormat.of().parseHex(PINNED), out.toByteArray());
  }

  @Test
  void readsWhatIngestWrites() throws IOException {
    var in = bytes(PINNED + "00000005" + "05" + "00000000");
    assertEquals(new Frames.Frame(1, 258, List.of("7", "ä")), Frames.read(in));
    assertEquals(new Frames.Frame(5, 0, List.of()), Frames.read(in));
    assertNull(Frames.read(in));
  }

  @ParameterizedTest
  @ValueSource(strings = {
    "000000020100", "ffffffff", "00000009" + "01" + "00000000" + "00000005", "00000009" + "01" + "00000000" + "ffffffff"
  })
  void refusesWhatIsNoFrame(String hex) {
    assertThrows(IOException.class, () -> Frames.read(bytes(hex)));
  }

  @Test
  void readsChildren() {
    var children = Main.children(List.of("shard-2", "shard-0,shard-1", "0", "340282366920938463463374607431768211455"));
    assertEquals(1, children.size());
    assertEquals(List.of("shard-0", "shard-1"), children.get(0).parentShards());
    assertEquals("340282366920938463463374607431768211455", children.get(0).hashKeyRange().endingHashKey());
    assertThrows(IllegalArgumentException.class, () -> Main.children(List.of("shard-2")));
  }
}
