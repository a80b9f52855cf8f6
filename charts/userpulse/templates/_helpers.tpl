{{/*
Name of the chart, as the label app.kubernetes.io/name has it.
*/}}
{{- define "userpulse.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/*
Full name of the release, 40 characters at most: a component's name is appended, and names of CronJobs and StatefulSets are limited to
52 because Kubernetes appends to them.
*/}}
{{- define "userpulse.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" }}
{{- else }}
{{- $name := default .Chart.Name .Values.nameOverride }}
{{- if contains $name .Release.Name }}
{{- .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" }}
{{- end }}
{{- end }}
{{- end }}

{{- define "userpulse.chart" -}}
{{- printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/*
Labels for selectors. They never change during the life of a release: selectors and volume claim templates are immutable.
Takes (dict "root" $ "component" "ingest"); the component may be left out.
*/}}
{{- define "userpulse.selectorLabels" -}}
app.kubernetes.io/name: {{ include "userpulse.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
{{- with .component }}
app.kubernetes.io/component: {{ . }}
{{- end }}
{{- end }}

{{/*
All labels of an object. Takes the same as userpulse.selectorLabels.
*/}}
{{- define "userpulse.labels" -}}
helm.sh/chart: {{ include "userpulse.chart" .root }}
{{ include "userpulse.selectorLabels" . }}
app.kubernetes.io/version: {{ .root.Values.image.tag | default .root.Chart.AppVersion | trunc 63 | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
app.kubernetes.io/part-of: userpulse
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "userpulse.image" -}}
{{- $repository := .Values.image.repository }}
{{- with .Values.image.registry }}{{ $repository = printf "%s/%s" . $repository }}{{ end }}
{{- if .Values.image.digest -}}
{{ printf "%s@%s" $repository .Values.image.digest }}
{{- else -}}
{{ printf "%s:%s" $repository (.Values.image.tag | default .Chart.AppVersion) }}
{{- end }}
{{- end }}

{{/*
Service account of a component. Takes (dict "root" $ "component" "ingest").
*/}}
{{- define "userpulse.serviceAccountName" -}}
{{- $account := (index .root.Values .component).serviceAccount }}
{{- if $account.create }}
{{- default (printf "%s-%s" (include "userpulse.fullname" .root) .component) $account.name }}
{{- else }}
{{- default "default" $account.name }}
{{- end }}
{{- end }}

{{/*
"leases" where the checkpoint is a DynamoDB table that many workers share, "file" where it is a folder of one process.
*/}}
{{- define "userpulse.mode" -}}
{{- if hasPrefix "dynamodb://" .Values.checkpoint }}leases{{ else }}file{{ end }}
{{- end }}

{{/*
Secret with the tokens: an existing one, or the one that the setup job fills.
*/}}
{{- define "userpulse.secretName" -}}
{{- .Values.credentials.existingSecret | default (printf "%s-tokens" (include "userpulse.fullname" .)) }}
{{- end }}

{{/*
A setting as text. Helm hands numbers to templates as floating point, which would print 20971520 as 2.097152e+07.
*/}}
{{- define "userpulse.settingText" -}}
{{- if kindIs "float64" . }}
{{- if eq (floor .) . }}{{ int64 . }}{{ else }}{{ . }}{{ end }}
{{- else }}{{ . }}{{ end }}
{{- end }}

{{/*
Settings that all components share: the data of the ConfigMap.
*/}}
{{- define "userpulse.settings" -}}
INFLUX_HOST: {{ .Values.influxdb.url | quote }}
INFLUX_ORG: {{ .Values.influxdb.org | quote }}
USERPULSE_STREAM: {{ .Values.stream.name | quote }}
USERPULSE_ARCHIVE: {{ .Values.archive | quote }}
{{- with .Values.aws.region }}
AWS_REGION: {{ . | quote }}
{{- end }}
{{- range $service, $url := .Values.aws.endpointUrls }}
{{- with $url }}
AWS_ENDPOINT_URL_{{ upper $service }}: {{ . | quote }}
{{- end }}
{{- end }}
{{- range $variable, $value := .Values.config }}
{{ $variable }}: {{ include "userpulse.settingText" $value | quote }}
{{- end }}
{{- end }}

{{/*
Seconds that a stop of ingest may take: the time for writing what it has read, and a margin for closing.
*/}}
{{- define "userpulse.ingest.gracePeriod" -}}
{{- .Values.ingest.terminationGracePeriodSeconds | default (add (include "userpulse.drainSeconds" .) 15) }}
{{- end }}

{{- define "userpulse.drainSeconds" -}}
{{- $ms := int64 (include "userpulse.settingText" (.Values.config.USERPULSE_DRAIN_MS | default 30000)) }}
{{- div (add $ms 999) 1000 }}
{{- end }}

{{/*
Selects the series of this release's ingest, by the labels that the Prometheus Operator adds to scraped series.
*/}}
{{- define "userpulse.ingest.series" -}}
namespace={{ .Release.Namespace | quote }}, service={{ printf "%s-ingest" (include "userpulse.fullname" .) | quote }}
{{- end }}

{{- define "userpulse.lagQuery" -}}
max(userpulse_millis_behind_latest{ {{- include "userpulse.ingest.series" . -}} })
{{- end }}

{{/*
Address of serve within the cluster.
*/}}
{{- define "userpulse.serve.url" -}}
http://{{ include "userpulse.fullname" . }}-serve.{{ .Release.Namespace }}.svc:{{ .Values.serve.service.port }}
{{- end }}
