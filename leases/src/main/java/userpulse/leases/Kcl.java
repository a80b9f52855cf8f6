package userpulse.leases;

import java.net.URI;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;
import software.amazon.awssdk.awscore.client.builder.AwsClientBuilder;
import software.amazon.awssdk.http.Protocol;
import software.amazon.awssdk.http.nio.netty.NettyNioAsyncHttpClient;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.services.cloudwatch.CloudWatchAsyncClient;
import software.amazon.awssdk.services.dynamodb.DynamoDbAsyncClient;
import software.amazon.awssdk.services.kinesis.KinesisAsyncClient;
import software.amazon.kinesis.common.ConfigsBuilder;
import software.amazon.kinesis.common.InitialPositionInStream;
import software.amazon.kinesis.common.InitialPositionInStreamExtended;
import software.amazon.kinesis.common.StreamConfig;
import software.amazon.kinesis.coordinator.CoordinatorConfig;
import software.amazon.kinesis.coordinator.Scheduler;
import software.amazon.kinesis.leases.LeaseManagementConfig;
import software.amazon.kinesis.leases.ShardInfo;
import software.amazon.kinesis.metrics.MetricsFactory;
import software.amazon.kinesis.metrics.NullMetricsFactory;
import software.amazon.kinesis.processor.ShardRecordProcessorFactory;
import software.amazon.kinesis.processor.SingleStreamTracker;
import software.amazon.kinesis.retrieval.AggregatorUtil;
import software.amazon.kinesis.retrieval.KinesisClientRecord;
import software.amazon.kinesis.retrieval.RecordsPublisher;
import software.amazon.kinesis.retrieval.RetrievalFactory;

/** KCL as we use it: for leases only. */
final class Kcl {
  private Kcl() {}

  /** @param publisher of the markers of a shard, by its id */
  static Scheduler scheduler(Settings settings, ShardRecordProcessorFactory leases, Function<String, RecordsPublisher> publisher) {
    Region region = Region.of(settings.region());
    KinesisAsyncClient kinesis = at(KinesisAsyncClient.builder().region(region)
        // Nothing is subscribed to here, which alone would need HTTP/2.
        .httpClientBuilder(NettyNioAsyncHttpClient.builder().protocol(Protocol.HTTP1_1)), settings.kinesis()).build();
    DynamoDbAsyncClient dynamodb = at(DynamoDbAsyncClient.builder().region(region), settings.dynamodb()).build();
    // Never called: metrics are off. KCL wants one all the same.
    CloudWatchAsyncClient cloudwatch = CloudWatchAsyncClient.builder().region(region).build();

    // Where reading begins is ingest's to know: every shard that the stream has gets a lease.
    var all = InitialPositionInStreamExtended.newInitialPosition(InitialPositionInStream.TRIM_HORIZON);
    ConfigsBuilder config = new ConfigsBuilder(
        new SingleStreamTracker(settings.stream(), all), settings.table(), kinesis, dynamodb, cloudwatch, settings.worker(), leases);

    CoordinatorConfig coordinator = config.coordinatorConfig()
        // The mode of KCL 3 alone has faults that this one has not: docs/adr/0015-leases.md.
        .clientVersionConfig(CoordinatorConfig.ClientVersionConfig.CLIENT_VERSION_CONFIG_COMPATIBLE_WITH_2X_PHASE1)
        .parentShardPollIntervalMillis(1_000)
        .shardConsumerDispatchPollIntervalMillis(250);

    LeaseManagementConfig management = config.leaseManagementConfig()
        .failoverTimeMillis(settings.failoverMs())
        // One steal at a time: each makes the thief read again what the other had not sealed.
        .maxLeasesToStealAtOneTime(1)
        .initialPositionInStream(all)
        .shardSyncIntervalMillis(10_000)
        .leasesRecoveryAuditorExecutionFrequencyMillis(10_000);
    management.workerUtilizationAwareAssignmentConfig().disableWorkerMetrics(true);

    AggregatorUtil asTheyAre = new AggregatorUtil() {
      @Override
      public List<KinesisClientRecord> deaggregate(List<KinesisClientRecord> records) {
        return new ArrayList<>(records);
      }

      @Override
      public List<KinesisClientRecord> deaggregate(List<KinesisClientRecord> records, String from, String to) {
        return new ArrayList<>(records);
      }
    };
    return new Scheduler(
        config.checkpointConfig(),
        coordinator,
        management,
        config.lifecycleConfig().aggregatorUtil(asTheyAre),
        config.metricsConfig().metricsFactory(new NullMetricsFactory()),
        config.processorConfig(),
        config.retrievalConfig().retrievalFactory(new RetrievalFactory() {
          @Override
          public RecordsPublisher createGetRecordsCache(ShardInfo shard, StreamConfig stream, MetricsFactory metrics) {
            return publisher.apply(shard.shardId());
          }
        }));
  }

  private static <B extends AwsClientBuilder<B, ?>> B at(B builder, URI endpoint) {
    return endpoint == null ? builder : builder.endpointOverride(endpoint);
  }
}
