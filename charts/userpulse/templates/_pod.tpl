{{/*
Parts that the pods of all components share. Takes (dict "root" $ "component" "ingest").
*/}}
{{- define "userpulse.podMetadata" -}}
labels:
  {{- include "userpulse.labels" . | nindent 2 }}
  {{- with (index .root.Values .component).podLabels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
annotations:
  {{- /* Changed settings restart the pods. */}}
  checksum/config: {{ include "userpulse.settings" .root | sha256sum }}
  {{- with (index .root.Values .component).podAnnotations }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{- define "userpulse.podBasics" -}}
{{- $c := index .root.Values .component }}
serviceAccountName: {{ include "userpulse.serviceAccountName" . }}
automountServiceAccountToken: {{ eq .component "setup" }}
enableServiceLinks: false
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  {{- toYaml .root.Values.podSecurityContext | nindent 2 }}
{{- with $c.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with $c.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $c.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $c.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $c.topologySpreadConstraints }}
topologySpreadConstraints:
  {{- range . }}
  - {{ toYaml . | nindent 4 | trim }}
    {{- if not .labelSelector }}
    labelSelector:
      matchLabels:
        {{- include "userpulse.selectorLabels" $ | nindent 8 }}
    {{- end }}
  {{- end }}
{{- end }}
{{- end }}

{{- define "userpulse.containerBasics" -}}
{{- $c := index .root.Values .component }}
name: {{ .component }}
image: {{ include "userpulse.image" .root }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
securityContext:
  {{- toYaml .root.Values.containerSecurityContext | nindent 2 }}
envFrom:
  - configMapRef:
      name: {{ include "userpulse.fullname" .root }}
  {{- with $c.extraEnvFrom }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with $c.resources }}
resources:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/*
An environment variable from a key of the Secret with the tokens. Takes (dict "root" $ "variable" … "key" …).
*/}}
{{- define "userpulse.tokenEnv" -}}
- name: {{ .variable }}
  valueFrom:
    secretKeyRef:
      name: {{ include "userpulse.secretName" .root }}
      key: {{ .key }}
{{- end }}

{{/*
Probes of a component that listens. Only readiness depends on InfluxDB and the stream: a restart would not bring them back.
*/}}
{{- define "userpulse.probes" -}}
startupProbe:
  httpGet: { path: /healthz, port: {{ .port }} }
  periodSeconds: 2
  failureThreshold: 60
livenessProbe:
  httpGet: { path: /healthz, port: {{ .port }} }
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
readinessProbe:
  httpGet: { path: /readyz, port: {{ .port }} }
  periodSeconds: 5
  timeoutSeconds: 5
  failureThreshold: 3
{{- end }}
