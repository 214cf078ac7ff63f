{{- define "tiderace.fullname" -}}
{{- if .Values.nameOverride -}}
{{- .Values.nameOverride -}}
{{- else -}}
{{- $name := .Release.Name -}}
{{- if not (contains .Chart.Name $name) -}}
{{- $name = printf "%s-%s" $name .Chart.Name -}}
{{- end -}}
{{- /* Helm takes more than Kubernetes takes for a Service. */ -}}
{{- if not (regexMatch "^[a-z][a-z0-9-]*$" $name) -}}
{{- fail (printf "the name of the release: wanted a letter and then letters, digits and -, since it begins the names of Services, found %s; take another, or set nameOverride" .Release.Name) -}}
{{- end -}}
{{- trunc 40 $name | trimSuffix "-" -}}
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
{{- if .image.digest -}}
{{- printf "%s@%s" .image.repository .image.digest | quote -}}
{{- else -}}
{{- printf "%s:%s" .image.repository (.image.tag | default .root.Chart.AppVersion) | quote -}}
{{- end -}}
{{- end -}}

{{/* A number as its digits, where Go would write 1.2e+06; anything else as it is. */}}
{{- define "tiderace.text" -}}
{{- if and (kindIs "float64" .) (eq . (floor .)) -}}
{{- int64 . -}}
{{- else -}}
{{- toString . -}}
{{- end -}}
{{- end -}}

{{/* A map whose values Kubernetes wants as strings: 5 and false, too. */}}
{{- define "tiderace.strings" -}}
{{- range $name, $value := . }}
{{ $name | quote }}: {{ include "tiderace.text" $value | quote }}
{{- end }}
{{- end -}}

{{/* Bytes of a quantity of memory, such as 2Gi. */}}
{{- define "tiderace.bytes" -}}
{{- $text := include "tiderace.text" . -}}
{{- $unit := regexFind "[A-Za-z]*$" $text -}}
{{- $units := dict "" 1 "k" 1e3 "M" 1e6 "G" 1e9 "T" 1e12 "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 "Ti" 1099511627776 -}}
{{- if not (hasKey $units $unit) -}}
{{- fail (printf "resources.limits.memory: wanted a number with one of k M G T Ki Mi Gi Ti, found %s" $text) -}}
{{- end -}}
{{- mulf (trimSuffix $unit $text | float64) (get $units $unit) | int64 -}}
{{- end -}}

{{/* How a component (of a list: root, component) logs in to Kafka, as YAML: kafka.security, and what the gateway has of its own. */}}
{{- define "tiderace.security" -}}
{{- $root := index . 0 -}}
{{- $security := deepCopy $root.Values.kafka.security -}}
{{- if eq (index . 1) "gateway" -}}
{{- with $root.Values.gateway.kafka -}}
{{- if .username -}}
{{- $_ := set $security "username" .username -}}
{{- $_ := set $security "passwordSecret" .passwordSecret -}}
{{- end -}}
{{- with .certificateSecret -}}
{{- $_ := set $security "certificateSecret" . -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toYaml $security -}}
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

{{/* What the library takes from the environment, for service and gateway alike. Of a list: root, component. */}}
{{- define "tiderace.environment" -}}
{{- $component := index . 1 -}}
{{- $security := include "tiderace.security" . | fromYaml -}}
{{- with index . 0 -}}
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
{{- end }}
{{- with $security }}
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
      name: {{ required (printf "passwordSecret.name is wanted where the protocol begins with SASL_: of kafka.security, or of gateway.kafka (%s)" $component) .passwordSecret.name | quote }}
      key: {{ .passwordSecret.key | quote }}
{{- end }}
{{- if and .caSecret.name (hasSuffix "SSL" .protocol) }}
- name: TIDERACE_SECURITY_CA_LOCATION
  value: {{ printf "/etc/tiderace/kafka-ca/%s" .caSecret.key | quote }}
{{- end }}
{{- if and .certificateSecret (hasSuffix "SSL" .protocol) }}
- name: TIDERACE_SECURITY_CERTIFICATE_LOCATION
  value: /etc/tiderace/kafka-certificate/tls.crt
- name: TIDERACE_SECURITY_KEY_LOCATION
  value: /etc/tiderace/kafka-certificate/tls.key
{{- end }}
{{- end }}
{{- end -}}

{{/* Of a list: root, component. */}}
{{- define "tiderace.kafkaMounts" -}}
{{- with include "tiderace.security" . | fromYaml }}
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

{{/* Of a list: root, component. */}}
{{- define "tiderace.kafkaVolumes" -}}
{{- with include "tiderace.security" . | fromYaml }}
{{- if and .caSecret.name (hasSuffix "SSL" .protocol) }}
- name: kafka-ca
  secret:
    secretName: {{ .caSecret.name | quote }}
    items:
      - key: {{ .caSecret.key | quote }}
        path: {{ .caSecret.key | quote }}
{{- end }}
{{- if and .certificateSecret (hasSuffix "SSL" .protocol) }}
- name: kafka-certificate
  secret:
    secretName: {{ .certificateSecret | quote }}
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
  {{- include "tiderace.strings" . | trim | nindent 2 }}
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

{{/*
What the protocol has no use for would be left out, and a connection be less safe than the values look. Of a dict: security, with
protocol and what of it is set; of, the path of these values.
*/}}
{{- define "tiderace.checkSecurity" -}}
{{- $protocol := .protocol -}}
{{- $of := .of -}}
{{- with .security -}}
{{- $sasl := dict "mechanism" .mechanism "username" .username "passwordSecret.name" (dig "passwordSecret" "name" "" .) -}}
{{- $tls := dict "certificateSecret" .certificateSecret "caSecret.name" (dig "caSecret" "name" "" .) -}}
{{- $wanted := dict -}}
{{- if not (hasPrefix "SASL_" $protocol) -}}
{{- $wanted = merge $wanted (dict "SASL_PLAINTEXT or SASL_SSL" $sasl) -}}
{{- end -}}
{{- if not (hasSuffix "SSL" $protocol) -}}
{{- $wanted = merge $wanted (dict "SSL or SASL_SSL" $tls) -}}
{{- end -}}
{{- range $protocols, $settings := $wanted -}}
{{- range $name, $value := $settings -}}
{{- if $value -}}
{{- fail (printf "%s.%s is %s, which goes with kafka.security.protocol %s, found %s: change the protocol, or take it out" $of $name $value $protocols $protocol) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* The ports in kafka.brokerAddress, as YAML. */}}
{{- define "tiderace.brokerPorts" -}}
{{- $ports := list -}}
{{- range splitList "," .Values.kafka.brokerAddress -}}
{{- $ports = append $ports (regexFind "[0-9]+$" . | float64) -}}
{{- end -}}
{{- uniq $ports | toYaml -}}
{{- end -}}
