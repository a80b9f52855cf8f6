{{- define "userpulse.setup.podTemplate" -}}
{{- $here := dict "root" $ "component" "setup" }}
metadata:
  {{- include "userpulse.podMetadata" $here | nindent 2 }}
spec:
  {{- include "userpulse.podBasics" $here | trim | nindent 2 }}
  restartPolicy: Never
  containers:
    - {{ include "userpulse.containerBasics" $here | trim | nindent 6 | trim }}
      command:
        - node
        - /etc/userpulse/store-tokens.mjs
        - --secret={{ .Release.Namespace }}/{{ include "userpulse.secretName" . }}
        {{- with .Values.credentials.keys }}
        - --ingest-key={{ .ingestToken }}
        - --serve-key={{ .serveToken }}
        - --api-key={{ .apiToken }}
        {{- if or $.Values.repair.enabled $.Values.rollup.enabled }}
        - --repair-key={{ .repairToken }}
        {{- end }}
        {{- end }}
        - --
        {{- if .Values.setup.create }}
        - --create
        - --shards={{ .Values.stream.shards | default 1 }}
        {{- end }}
      env:
        - name: INFLUX_TOKEN
          valueFrom:
            secretKeyRef:
              name: {{ .Values.setup.operatorToken.existingSecret | quote }}
              key: {{ .Values.setup.operatorToken.key }}
        {{- with .Values.setup.extraEnv }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      volumeMounts:
        - name: tmp
          mountPath: /tmp
        - name: script
          mountPath: /etc/userpulse
          readOnly: true
        - name: tokens
          mountPath: /var/run/userpulse/tokens
          readOnly: true
  volumes:
    - name: tmp
      emptyDir: {}
    - name: script
      configMap:
        name: {{ include "userpulse.fullname" . }}-setup
    # Tokens that exist already: another run makes no others.
    - name: tokens
      secret:
        secretName: {{ include "userpulse.secretName" . }}
        optional: true
{{- end }}
