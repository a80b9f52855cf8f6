{{/*
Rules that values.schema.json cannot express: values that depend on each other. All problems are reported at once, each with a fix.
*/}}
{{- define "userpulse.validate" -}}
{{- $p := list }}
{{- $v := .Values }}
{{- $leases := eq (include "userpulse.mode" .) "leases" }}
{{- if not $v.influxdb.url }}{{ $p = append $p "influxdb.url is not set: the address of InfluxDB 2, for example http://influxdb:8086." }}{{ end }}
{{- if not $v.influxdb.org }}{{ $p = append $p "influxdb.org is not set: the organisation that holds the buckets." }}{{ end }}
{{- if not $v.stream.name }}{{ $p = append $p "stream.name is not set: the Kinesis data stream that carries the events." }}{{ end }}
{{- if not $v.archive }}{{ $p = append $p "archive is not set: where raw events are kept, for example s3://my-archive/userpulse." }}{{ end }}
{{- if and $v.credentials.existingSecret $v.setup.enabled }}{{ $p = append $p "credentials.existingSecret and setup.enabled exclude each other: the setup job fills a Secret of the chart. Unset one of them." }}{{ end }}
{{- if not (or $v.credentials.existingSecret $v.setup.enabled) }}{{ $p = append $p "There are no tokens. Set credentials.existingSecret to a Secret that holds them, or setup.enabled=true to have a job make them." }}{{ end }}
{{- if and $v.setup.enabled (not $v.setup.operatorToken.existingSecret) }}{{ $p = append $p "setup.enabled needs setup.operatorToken.existingSecret: a Secret with an operator token of InfluxDB." }}{{ end }}
{{- if and $leases (hasPrefix "file://" $v.archive) }}{{ $p = append $p "archive is a folder, which only one worker can see, but checkpoint is a DynamoDB table. Set archive to s3://BUCKET/PREFIX." }}{{ end }}
{{- if and (not $leases) (ne (int $v.ingest.replicas) 1) }}{{ $p = append $p (printf "ingest.replicas is %d, but a file checkpoint belongs to one process. Set it to 1, or checkpoint to dynamodb://TABLE." (int $v.ingest.replicas)) }}{{ end }}
{{- with $v.ingest.terminationGracePeriodSeconds }}
{{- $drain := int64 (include "userpulse.drainSeconds" $) }}
{{- if le (int64 .) $drain }}{{ $p = append $p (printf "ingest.terminationGracePeriodSeconds is %d, but a stop may take %d s (config.USERPULSE_DRAIN_MS). Raise it to %d or more, or unset it." (int64 .) $drain (add $drain 1)) }}{{ end }}
{{- end }}
{{- with $v.ingest.autoscaling }}
{{- if .enabled }}
{{- if not $leases }}{{ $p = append $p "ingest.autoscaling needs a checkpoint that workers share: set checkpoint to dynamodb://TABLE." }}{{ end }}
{{- if not .prometheus.serverAddress }}{{ $p = append $p "ingest.autoscaling.prometheus.serverAddress is not set: the Prometheus that scrapes ingest, for example http://prometheus-operated.monitoring.svc:9090." }}{{ end }}
{{- if not $v.stream.shards }}{{ $p = append $p "ingest.autoscaling needs stream.shards, the number of open shards: a worker without a shard does nothing." }}
{{- else if gt (int .maxReplicas) (int $v.stream.shards) }}{{ $p = append $p (printf "ingest.autoscaling.maxReplicas is %d, but the stream has %d shards (stream.shards), and a worker without a shard does nothing. Lower it to %d." (int .maxReplicas) (int $v.stream.shards) (int $v.stream.shards)) }}{{ end }}
{{- if gt (int .minReplicas) (int .maxReplicas) }}{{ $p = append $p "ingest.autoscaling.minReplicas is above maxReplicas." }}{{ end }}
{{- end }}
{{- end }}
{{- with $v.serve.autoscaling }}
{{- if and .enabled (gt (int .minReplicas) (int .maxReplicas)) }}{{ $p = append $p "serve.autoscaling.minReplicas is above maxReplicas." }}{{ end }}
{{- end }}
{{- if and $v.repair.enabled (not $leases) }}{{ $p = append $p "repair is for workers that share a checkpoint: one ingest with a file checkpoint has nothing to repair. Set repair.enabled=false, or checkpoint to dynamodb://TABLE." }}{{ end }}
{{- if and $v.serve.ingress.enabled (not $v.serve.enabled) }}{{ $p = append $p "serve.ingress needs serve.enabled=true." }}{{ end }}
{{- if and $v.grafana.datasource.enabled (not (or $v.serve.enabled $v.grafana.datasource.url)) }}{{ $p = append $p "grafana.datasource needs serve.enabled=true, or the address of another serve in grafana.datasource.url." }}{{ end }}
{{- if $p }}
{{- fail (printf "%s\n  - %s\n" (ternary "A value is wrong:" (printf "%d values are wrong:" (len $p)) (eq (len $p) 1)) (join "\n  - " $p)) }}
{{- end }}
{{- end }}
