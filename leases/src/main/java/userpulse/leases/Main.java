package userpulse.leases;

import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import software.amazon.awssdk.services.kinesis.model.ChildShard;
import software.amazon.awssdk.services.kinesis.model.HashKeyRange;
import software.amazon.kinesis.coordinator.Scheduler;

/**
 * Leases of a stream's shards, for the one ingest process that has started this program: it is given leases by KCL, passes
 * them on, and stores what ingest asks it to. Ingest reads the stream itself. Standard input and output are {@link Frames},
 * logs go to standard error. It ends with its standard input, or when ingest is silent for too long.
 */
public final class Main {
  /** Exit codes. KCL_ENDED: its scheduler has given up; the log says why. */
  private static final int KCL_ENDED = 3, INGEST_SILENT = 4, DEFECT = 5;

  private final ConcurrentMap<Integer, Lease> leases = new ConcurrentHashMap<>();
  private final ConcurrentMap<String, Markers> markers = new ConcurrentHashMap<>();
  private final ScheduledExecutorService timer = Executors.newScheduledThreadPool(2);
  private final ExecutorService calls = Executors.newCachedThreadPool();
  /** System.nanoTime() of the last frame. */
  private final AtomicLong heard = new AtomicLong(System.nanoTime());
  private final Frames.Writer out;
  private final Scheduler scheduler;
  private volatile boolean stopping;

  private Main(Settings settings, Frames.Writer out) {
    this.out = out;
    this.scheduler = Kcl.scheduler(settings, () -> new Lease(out, leases, markers), shardId -> {
      Markers made = new Markers(timer);
      markers.put(shardId, made);
      return made;
    });
    timer.scheduleAtFixedRate(new Silence(settings.aliveMs()), 1, 1, TimeUnit.SECONDS);
  }

  public static void main(String[] args) {
    // Nobody else may write to the protocol's stream.
    Frames.Writer out = new Frames.Writer(new FileOutputStream(FileDescriptor.out));
    System.setOut(new PrintStream(new FileOutputStream(FileDescriptor.err), true));
    try {
      run(new Main(Settings.of(System.getenv()), out), out);
    } catch (RuntimeException | LinkageError defect) {
      end(DEFECT, "It cannot run: " + defect);
    }
  }

  private static void run(Main main, Frames.Writer out) {
    Thread input = new Thread(main::listen, "ingest");
    input.setDaemon(true);
    input.start();
    out.write(Frames.READY, 0, Integer.toString(Frames.PROTOCOL));
    main.scheduler.run();
    if (main.stopping) System.exit(0);
    end(KCL_ENDED, "The Kinesis Client Library has ended by itself.");
  }

  private void listen() {
    var in = Frames.input(System.in);
    try {
      for (Frames.Frame frame = Frames.read(in); frame != null; frame = Frames.read(in)) {
        heard.set(System.nanoTime());
        obey(frame);
      }
      // Ingest is gone. Its leases lapse, as they do when a machine is lost.
      Runtime.getRuntime().halt(0);
    } catch (IOException | RuntimeException defect) {
      end(DEFECT, "What ingest has sent cannot be read: " + defect);
    }
  }

  private void obey(Frames.Frame frame) {
    Lease lease = leases.get(frame.handle());
    switch (frame.type()) {
      case Frames.SAVE -> calls.execute(() -> {
        String[] outcome = lease == null ? new String[] {Lease.FENCED, "The lease is lost."} : lease.save(frame.texts().get(1));
        out.write(Frames.RESULT, frame.handle(), frame.texts().get(0), outcome[0], outcome[1]);
      });
      case Frames.END -> {
        if (lease != null) lease.markers().end(children(frame.texts()));
      }
      case Frames.RELEASE -> {
        if (lease != null) lease.release();
      }
      case Frames.SHUTDOWN -> {
        stopping = true;
        calls.execute(scheduler::startGracefulShutdown);
      }
      case Frames.ALIVE -> out.write(Frames.ECHO, 0);
      default -> throw new IllegalArgumentException("a frame of type " + frame.type());
    }
  }

  /** For each child: its id, its parents with commas between them, and both ends of its range of hash keys. */
  static List<ChildShard> children(List<String> texts) {
    if (texts.size() % 4 != 0) throw new IllegalArgumentException(texts.size() + " texts about children");
    List<ChildShard> children = new ArrayList<>();
    for (int at = 0; at < texts.size(); at += 4) {
      children.add(ChildShard.builder()
          .shardId(texts.get(at))
          .parentShards(List.of(texts.get(at + 1).split(",")))
          .hashKeyRange(HashKeyRange.builder().startingHashKey(texts.get(at + 2)).endingHashKey(texts.get(at + 3)).build())
          .build());
    }
    return children;
  }

  /** Ends this program when ingest hangs, so that its leases lapse. */
  private final class Silence implements Runnable {
    private final long aliveMs;
    private long looked = System.nanoTime();

    Silence(long aliveMs) {
      this.aliveMs = aliveMs;
    }

    @Override
    public void run() {
      long now = System.nanoTime();
      // Whoever was stopped itself has heard nothing meanwhile.
      if (now - looked > TimeUnit.SECONDS.toNanos(3)) heard.set(now);
      looked = now;
      if (now - heard.get() > TimeUnit.MILLISECONDS.toNanos(aliveMs))
        end(INGEST_SILENT, "Ingest has been silent for " + aliveMs + " ms: its leases are given up.");
    }
  }

  private static void end(int code, String why) {
    System.err.println("ERROR " + why);
    Runtime.getRuntime().halt(code);
  }
}
