package userpulse.leases;

import java.nio.ByteBuffer;
import java.time.Instant;
import java.util.ArrayDeque;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.TimeUnit;
import org.reactivestreams.Subscriber;
import org.reactivestreams.Subscription;
import software.amazon.awssdk.services.kinesis.model.ChildShard;
import software.amazon.kinesis.common.InitialPositionInStreamExtended;
import software.amazon.kinesis.common.RequestDetails;
import software.amazon.kinesis.lifecycle.events.ProcessRecordsInput;
import software.amazon.kinesis.retrieval.KinesisClientRecord;
import software.amazon.kinesis.retrieval.RecordsDeliveryAck;
import software.amazon.kinesis.retrieval.RecordsPublisher;
import software.amazon.kinesis.retrieval.RecordsRetrieved;
import software.amazon.kinesis.retrieval.kpl.ExtendedSequenceNumber;

/**
 * What KCL takes for the records of a shard, which ingest reads itself: one empty record, because KCL lets nobody store
 * anything before it has delivered a record; nothing, every few seconds, because KCL gives up a publisher that is silent
 * for a minute; and in the end the end.
 */
final class Markers implements RecordsPublisher {
  /** The place under which everything is stored: behind KCL's own word for the beginning, and before any record. */
  static final String PLACE = "0";

  private static final long BEAT_S = 15;

  private final ScheduledExecutorService executor;
  private final ScheduledFuture<?> beat;
  private final Queue<ProcessRecordsInput> waiting = new ArrayDeque<>();
  private Subscriber<? super RecordsRetrieved> subscriber;
  private long demand;

  Markers(ScheduledExecutorService executor) {
    this.executor = executor;
    this.beat = executor.scheduleAtFixedRate(() -> emit(input(List.of())), BEAT_S, BEAT_S, TimeUnit.SECONDS);
  }

  /** The shard's end, which ingest has reached and made durable. */
  void end(List<ChildShard> children) {
    emit(ProcessRecordsInput.builder()
        .records(List.of())
        .millisBehindLatest(0L)
        .cacheEntryTime(Instant.now())
        .isAtShardEnd(true)
        .childShards(children)
        .build());
  }

  private static ProcessRecordsInput input(List<KinesisClientRecord> records) {
    return ProcessRecordsInput.builder()
        .records(records)
        .millisBehindLatest(0L)
        .cacheEntryTime(Instant.now())
        .build();
  }

  private void emit(ProcessRecordsInput input) {
    synchronized (this) {
      waiting.add(input);
    }
    executor.execute(this::deliver);
  }

  private void deliver() {
    for (; ; ) {
      Subscriber<? super RecordsRetrieved> to;
      ProcessRecordsInput input;
      synchronized (this) {
        if (subscriber == null || demand == 0 || waiting.isEmpty()) return;
        demand--;
        to = subscriber;
        input = waiting.remove();
      }
      RecordsRetrieved retrieved = () -> input;
      to.onNext(retrieved);
    }
  }

  @Override
  public void subscribe(Subscriber<? super RecordsRetrieved> to) {
    // Anew for each subscriber: whether the one before has got it is unknown, and KCL leaves out what it has seen.
    emit(input(List.of(KinesisClientRecord.builder()
        .sequenceNumber(PLACE)
        .partitionKey("")
        .data(ByteBuffer.allocate(0))
        .approximateArrivalTimestamp(Instant.now())
        .build())));
    to.onSubscribe(new Subscription() {
      @Override
      public void request(long n) {
        synchronized (Markers.this) {
          subscriber = to;
          demand += n;
        }
        executor.execute(Markers.this::deliver);
      }

      @Override
      public void cancel() {
        synchronized (Markers.this) {
          if (subscriber != to) return;
          subscriber = null;
          demand = 0;
        }
      }
    });
  }

  @Override
  public void start(ExtendedSequenceNumber from, InitialPositionInStreamExtended initial) {}

  @Override
  public void shutdown() {
    beat.cancel(false);
  }

  @Override
  public void restartFrom(RecordsRetrieved last) {}

  @Override
  public void notify(RecordsDeliveryAck ack) {}

  @Override
  public RequestDetails getLastSuccessfulRequestDetails() {
    return new RequestDetails();
  }
}
