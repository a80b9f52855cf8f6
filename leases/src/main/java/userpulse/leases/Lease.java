package userpulse.leases;

import java.nio.charset.StandardCharsets;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ConcurrentMap;
import java.util.concurrent.atomic.AtomicInteger;
import software.amazon.kinesis.exceptions.InvalidStateException;
import software.amazon.kinesis.exceptions.KinesisClientLibDependencyException;
import software.amazon.kinesis.exceptions.ShutdownException;
import software.amazon.kinesis.exceptions.ThrottlingException;
import software.amazon.kinesis.lifecycle.events.InitializationInput;
import software.amazon.kinesis.lifecycle.events.LeaseLostInput;
import software.amazon.kinesis.lifecycle.events.ProcessRecordsInput;
import software.amazon.kinesis.lifecycle.events.ShardEndedInput;
import software.amazon.kinesis.lifecycle.events.ShutdownRequestedInput;
import software.amazon.kinesis.processor.RecordProcessorCheckpointer;
import software.amazon.kinesis.processor.ShardRecordProcessor;
import software.amazon.kinesis.retrieval.kpl.ExtendedSequenceNumber;

/**
 * One lease, from KCL's giving it to this worker until it is lost, given back, or its shard has ended:
 *
 * <pre>
 *   initialize ─▶ (marker delivered) GIVEN ─▶ saves … ─▶ shutdownRequested: WANTED ─▶ RELEASE ─▶ leaseLost
 *                                                    ├─▶ END ─▶ shardEnded: ENDED
 *                                                    └─▶ leaseLost: LOST
 * </pre>
 */
final class Lease implements ShardRecordProcessor {
  /** How a save has ended. */
  static final String SAVED = "saved", FENCED = "fenced", AGAIN = "again", FAILED = "failed";

  private static final AtomicInteger HANDLES = new AtomicInteger();

  private final Frames.Writer out;
  private final ConcurrentMap<Integer, Lease> leases;
  private final ConcurrentMap<String, Markers> markers;
  private final CountDownLatch released = new CountDownLatch(1);
  final int handle = HANDLES.incrementAndGet();
  private volatile InitializationInput begun;
  private volatile RecordProcessorCheckpointer checkpointer;
  private volatile boolean given;

  Lease(Frames.Writer out, ConcurrentMap<Integer, Lease> leases, ConcurrentMap<String, Markers> markers) {
    this.out = out;
    this.leases = leases;
    this.markers = markers;
  }

  Markers markers() {
    return markers.get(begun.shardId());
  }

  @Override
  public void initialize(InitializationInput input) {
    begun = input;
    leases.put(handle, this);
    // Another application's: no marker is delivered behind its place. Ingest says so, and leaves it alone.
    if (!input.extendedSequenceNumber().equals(ExtendedSequenceNumber.TRIM_HORIZON)) give();
  }

  /** Only ever called with the marker, or with nothing. */
  @Override
  public void processRecords(ProcessRecordsInput input) {
    checkpointer = input.checkpointer();
    if (!given && !input.records().isEmpty()) give();
  }

  private void give() {
    given = true;
    byte[] state = begun.pendingCheckpointState();
    out.write(Frames.GIVEN, handle, begun.shardId(), begun.extendedSequenceNumber().sequenceNumber(),
        state == null ? "" : new String(state, StandardCharsets.UTF_8));
  }

  /**
   * Stores the state with the lease, on condition that it is still this worker's.
   *
   * @return {@link #SAVED}, {@link #FENCED} where another has the lease, {@link #AGAIN} or {@link #FAILED}, and why
   */
  String[] save(String state) {
    RecordProcessorCheckpointer by = checkpointer;
    if (by == null) return new String[] {FENCED, "The lease is not given yet."};
    try {
      by.prepareCheckpoint(Markers.PLACE, 0, state.getBytes(StandardCharsets.UTF_8));
      return new String[] {SAVED, ""};
    } catch (ShutdownException lost) {
      return new String[] {FENCED, text(lost)};
    } catch (ThrottlingException | KinesisClientLibDependencyException later) {
      return new String[] {AGAIN, text(later)};
    } catch (InvalidStateException | RuntimeException defect) {
      return new String[] {FAILED, text(defect)};
    }
  }

  @Override
  public void shardEnded(ShardEndedInput input) {
    try {
      input.checkpointer().checkpoint();
    } catch (Exception e) {
      // KCL gives the lease up, and whoever gets it finds the shard read to its end.
      throw new IllegalStateException(e);
    }
    leases.remove(handle);
    out.write(Frames.ENDED, handle);
  }

  @Override
  public void shutdownRequested(ShutdownRequestedInput input) {
    checkpointer = input.checkpointer();
    if (!given) return;
    out.write(Frames.WANTED, handle);
    try {
      released.await();
    } catch (InterruptedException ended) {
      Thread.currentThread().interrupt();
    }
  }

  /** Ingest needs it no more. */
  void release() {
    released.countDown();
  }

  @Override
  public void leaseLost(LeaseLostInput input) {
    leases.remove(handle);
    released.countDown();
    if (given) out.write(Frames.LOST, handle);
  }

  private static String text(Throwable error) {
    Throwable cause = error.getCause();
    return error.getClass().getSimpleName() + ": " + error.getMessage() + (cause == null ? "" : " (" + cause.getMessage() + ")");
  }
}
