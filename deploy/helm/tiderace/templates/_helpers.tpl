{{- define "tiderace.fullname" -}}
{{- if .Values.nameOverride -}}
{{- .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* Of a list: root, component. What selects pods must never change. */}}
{{- define "tiderace.selector" -}}
app.kubernetes.io/name: tiderace
app.kubernetes.io/instance: {{ (index . 0).Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{- define "tiderace.labels" -}}
{{ include "tiderace.selector" . }}
app.kubernetes.io/version: {{ (index . 0).Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ (index . 0).Release.Service }}
helm.sh/chart: {{ (index . 0).Chart.Name }}-{{ (index . 0).Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "tiderace.image" -}}
{{ .image.repository }}:{{ .image.tag | default .root.Chart.AppVersion }}
{{- end -}}

{{- define "tiderace.podSecurityContext" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "tiderace.containerSecurityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{/* What the library takes from the environment, for service and gateway alike. */}}
{{- define "tiderace.environment" -}}
- name: POD_NAME
  valueFrom:
    fieldRef:
      fieldPath: metadata.name
- name: TIDERACE_LOG
  value: {{ .Values.log.level }}
- name: TIDERACE_LOG_FORMAT
  value: {{ .Values.log.format }}
- name: TIDERACE_BROKER_ADDRESS
  value: {{ .Values.kafka.brokerAddress | quote }}
{{- with .Values.kafka.security }}
- name: TIDERACE_SECURITY_PROTOCOL
  value: {{ .protocol }}
{{- if hasPrefix "SASL_" .protocol }}
- name: TIDERACE_SECURITY_MECHANISM
  value: {{ required "kafka.security.mechanism is wanted where the protocol begins with SASL_" .mechanism }}
- name: TIDERACE_SECURITY_USERNAME
  value: {{ required "kafka.security.username is wanted where the protocol begins with SASL_" .username | quote }}
- name: TIDERACE_SECURITY_PASSWORD
  valueFrom:
    secretKeyRef:
      name: {{ required "kafka.security.passwordSecret.name is wanted where the protocol begins with SASL_" .passwordSecret.name }}
      key: {{ .passwordSecret.key }}
{{- end }}
{{- if and .caSecret.name (hasSuffix "SSL" .protocol) }}
- name: TIDERACE_SECURITY_CA_LOCATION
  value: /etc/tiderace/kafka-ca/{{ .caSecret.key }}
{{- end }}
{{- if and .certificateSecret (hasSuffix "SSL" .protocol) }}
- name: TIDERACE_SECURITY_CERTIFICATE_LOCATION
  value: /etc/tiderace/kafka-certificate/tls.crt
- name: TIDERACE_SECURITY_KEY_LOCATION
  value: /etc/tiderace/kafka-certificate/tls.key
{{- end }}
{{- end }}
{{- end -}}

{{- define "tiderace.kafkaMounts" -}}
{{- with .Values.kafka.security }}
{{- if and .caSecret.name (hasSuffix "SSL" .protocol) }}
- name: kafka-ca
  mountPath: /etc/tiderace/kafka-ca
  readOnly: true
{{- end }}
{{- if and .certificateSecret (hasSuffix "SSL" .protocol) }}
- name: kafka-certificate
  mountPath: /etc/tiderace/kafka-certificate
  readOnly: true
{{- end }}
{{- end }}
{{- end -}}

{{- define "tiderace.kafkaVolumes" -}}
{{- with .Values.kafka.security }}
{{- if and .caSecret.name (hasSuffix "SSL" .protocol) }}
- name: kafka-ca
  secret:
    secretName: {{ .caSecret.name }}
    items:
      - key: {{ .caSecret.key }}
        path: {{ .caSecret.key }}
{{- end }}
{{- if and .certificateSecret (hasSuffix "SSL" .protocol) }}
- name: kafka-certificate
  secret:
    secretName: {{ .certificateSecret }}
    defaultMode: 0440
{{- end }}
{{- end }}
{{- end -}}

{{/* Of a list: root, values of the component, component. */}}
{{- define "tiderace.placement" -}}
{{- $root := index . 0 -}}
{{- $values := index . 1 -}}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "tiderace.selector" (list $root (index . 2)) | nindent 8 }}
{{- with $values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $root.Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}
