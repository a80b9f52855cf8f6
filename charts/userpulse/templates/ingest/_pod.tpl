{{/*
Pod of ingest. Both kinds of checkpoint share it, except for the volume.
*/}}
{{- define "userpulse.ingest.podTemplate" -}}
{{- $here := dict "root" $ "component" "ingest" }}
metadata:
  {{- include "userpulse.podMetadata" $here | nindent 2 }}
spec:
  {{- include "userpulse.podBasics" $here | trim | nindent 2 }}
  # On SIGTERM ingest writes what it has read, for USERPULSE_DRAIN_MS at most. Whatever a kill interrupts is read again.
  terminationGracePeriodSeconds: {{ include "userpulse.ingest.gracePeriod" . }}
  containers:
    - {{ include "userpulse.containerBasics" $here | trim | nindent 6 | trim }}
      args: [ingest]
      env:
        - name: USERPULSE_LISTEN
          value: {{ printf "%s:8089" .Values.listenHost | quote }}
        - name: USERPULSE_CHECKPOINT
          value: {{ .Values.checkpoint | quote }}
        {{- include "userpulse.tokenEnv" (dict "root" . "variable" "INFLUX_TOKEN" "key" .Values.credentials.keys.ingestToken) | nindent 8 }}
        {{- with .Values.ingest.extraEnv }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      ports:
        - name: metrics
          containerPort: 8089
      {{- include "userpulse.probes" (dict "port" "metrics") | nindent 6 }}
      volumeMounts:
        - name: tmp
          mountPath: /tmp
        {{- if eq (include "userpulse.mode" .) "file" }}
        - name: data
          mountPath: /var/lib/userpulse
        {{- end }}
  volumes:
    - name: tmp
      emptyDir: {}
    {{- if eq (include "userpulse.mode" .) "file" }}
    {{- with .Values.ingest.persistence.existingClaim }}
    - name: data
      persistentVolumeClaim:
        claimName: {{ . }}
    {{- end }}
    {{- end }}
{{- end }}
