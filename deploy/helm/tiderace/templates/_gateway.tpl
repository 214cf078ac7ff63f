{{/* One file a replica: each is a gateway with an id of its own, which also other namespaces must not have. */}}
{{- define "tiderace.gatewayFiles" -}}
{{- $name := printf "%s-gateway" (include "tiderace.fullname" .) -}}
{{- range $ordinal := until (int .Values.gateway.replicas) }}
{{ $name }}-{{ $ordinal }}.toml: |
  id = {{ printf "%s-%s-%d" $.Release.Namespace $name $ordinal | toJson }}
  {{- include "tiderace.gatewayFile" $ | nindent 2 }}
{{- end }}
{{- end -}}

{{/* JSON's strings, numbers and arrays of them are TOML's, too. */}}
{{- define "tiderace.gatewayFile" -}}
{{- $name := include "tiderace.fullname" . -}}
{{- with .Values.gateway -}}
listen = "0.0.0.0:{{ .port }}"
metrics_port = {{ .metricsPort }}
allowed_origins = {{ include "tiderace.gatewayOrigins" $ }}
queue_bytes = {{ include "tiderace.text" .queueBytes | quote }}
{{- with .sessionTtl }}
session_ttl = {{ toJson . }}
{{- end }}

[topics]
{{- range $topic, $options := .topics }}
{{ toJson $topic }} = { partitions = {{ $options.partitions | default $.Values.service.partitions | int64 }}, replication_factor = {{ $.Values.kafka.replicationFactor | int64 }}{{ if gt (int64 $.Values.kafka.retentionMs) 0 }}, retention = "{{ $.Values.kafka.retentionMs | int64 }}ms"{{ end }} }
{{- end }}
{{- with .pages }}

[pages]
{{- range $name, $value := . }}
{{ $name }} = {{ toJson $value }}
{{- end }}
{{- end }}
{{- if .tlsSecret }}

[tls]
certificate = "/etc/tiderace/tls/tls.crt"
key = "/etc/tiderace/tls/tls.key"
{{- end }}
{{- range $index, $token := .tokens }}

[[tokens]]
token_env = "GATEWAY_TOKEN_{{ $index }}"
subject = {{ toJson $token.subject }}
write = {{ toJson ($token.write | default list) }}
read = {{ toJson ($token.read | default list) }}
{{- with $token.keys }}
keys = {{ toJson . }}
{{- end }}
{{- end }}
{{- with .jwt }}
{{- if .algorithm }}

[jwt]
algorithm = {{ toJson .algorithm }}
{{- if eq .algorithm "HS256" }}
key_env = "GATEWAY_JWT_KEY"
{{- else }}
key_file = {{ printf "/etc/tiderace/jwt/%s" .secret.key | toJson }}
{{- end }}
{{- with .issuer }}
issuer = {{ toJson . }}
{{- end }}
{{- with .audience }}
audience = {{ toJson . }}
{{- end }}
{{- end }}
{{- end }}
{{- $limits := deepCopy (.limits | default dict) -}}
{{- if and .ingress.enabled (not (hasKey $limits "connections_per_address")) -}}
{{- /* Behind the Ingress all clients have one address, or a few. */ -}}
{{- $_ := set $limits "connections_per_address" ($limits.connections | default 10000) -}}
{{- end -}}
{{- with $limits }}

[limits]
{{- range $limit, $value := . }}
{{ $limit }} = {{ if eq $limit "message_bytes" }}{{ include "tiderace.text" $value | quote }}{{ else if kindIs "string" $value }}{{ toJson $value }}{{ else }}{{ int64 $value }}{{ end }}
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{/*
Pages that may ask, as JSON. The Ingress ends TLS, so a browser says https where the gateway sees http: the pages that it serves
itself would be strangers to it.
*/}}
{{- define "tiderace.gatewayOrigins" -}}
{{- with .Values.gateway -}}
{{- $origins := .allowedOrigins | default list -}}
{{- if .ingress.enabled -}}
{{- $scheme := ternary "https" "http" (ne .ingress.tlsSecret "") -}}
{{- range .ingress.hosts -}}
{{- if not (hasPrefix "*" .) -}}
{{- $origins = append $origins (printf "%s://%s" $scheme .) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- uniq $origins | toJson -}}
{{- end -}}
{{- end -}}

{{/* Sizes and times as long as the gateway takes them; the schema has seen to their form. */}}
{{- define "tiderace.checkQuantities" -}}
{{- $bytes := dict "" 1 "B" 1 "kB" 1e3 "KB" 1e3 "MB" 1e6 "GB" 1e9 "KiB" 1024 "MiB" 1048576 "GiB" 1073741824 -}}
{{- $seconds := dict "ms" 1e-3 "s" 1 "min" 60 "h" 3600 "d" 86400 -}}
{{- $limits := .Values.gateway.limits | default dict -}}
{{- $sizes := dict "queueBytes" .Values.gateway.queueBytes "limits.message_bytes" (get $limits "message_bytes") -}}
{{- $times := dict "sessionTtl" .Values.gateway.sessionTtl -}}
{{- range $name := list "handshake_timeout" "body_timeout" "idle_timeout" -}}
{{- $_ := set $times (printf "limits.%s" $name) (get $limits $name) -}}
{{- end -}}
{{- include "tiderace.checkRange" (dict "found" $sizes "units" $bytes "least" 1 "most" 1099511627776 "wanted" "a size from 1B to 1024GiB") -}}
{{- include "tiderace.checkRange" (dict "found" $times "units" $seconds "least" 1e-3 "most" 8640000000 "wanted" "a time from 1ms to 100000d") -}}
{{- end -}}

{{/* Of a dict: found (texts by their paths below gateway), units, least and most (in the unit that is 1), wanted. */}}
{{- define "tiderace.checkRange" -}}
{{- range $name, $text := .found -}}
{{- if and $text (kindIs "string" $text) -}}
{{- $number := regexFind "^[0-9.]+" $text | float64 -}}
{{- $value := mulf $number (get $.units (regexFind "[A-Za-z]*$" $text)) -}}
{{- if or (lt $value (float64 $.least)) (gt $value (float64 $.most)) -}}
{{- fail (printf "gateway.%s: wanted %s, found %s" $name $.wanted $text) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Topics that pages and tokens name. */}}
{{- define "tiderace.checkNames" -}}
{{- with .Values.gateway -}}
{{- if not .topics -}}
{{- fail "gateway.topics: wanted the topics that may be written and read, for example phone-data: {}, found none" -}}
{{- end -}}
{{- $topics := keys .topics | sortAlpha -}}
{{- range $name := list "in" "out" -}}
{{- $topic := get ($.Values.gateway.pages | default dict) $name -}}
{{- if and (hasKey ($.Values.gateway.pages | default dict) $name) (not (has $topic $topics)) -}}
{{- fail (printf "gateway.pages.%s: wanted a topic of gateway.topics (%s), found %q" $name (join ", " $topics) $topic) -}}
{{- end -}}
{{- end -}}
{{- range $index, $token := .tokens -}}
{{- $of := printf "gateway.tokens[%d]" $index -}}
{{- if not (or $token.write $token.read) -}}
{{- fail (printf "%s (subject %s): wanted write, read or both, found neither: it would allow nothing; there are the topics %s" $of $token.subject (join ", " $topics)) -}}
{{- end -}}
{{- range $right := list "write" "read" -}}
{{- range $pattern := get $token $right | default list -}}
{{- $meant := false -}}
{{- range $topic := $topics -}}
{{- if or (eq $pattern $topic) (and (hasSuffix "*" $pattern) (hasPrefix (trimSuffix "*" $pattern) $topic)) -}}
{{- $meant = true -}}
{{- end -}}
{{- end -}}
{{- if not $meant -}}
{{- fail (printf "%s.%s (subject %s): wanted topics of gateway.topics (%s), * at the end stands for any rest, found %q" $of $right $token.subject (join ", " $topics) $pattern) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Mistakes that a schema cannot see. */}}
{{- define "tiderace.checkGateway" -}}
{{- with .Values.gateway -}}
{{- if not (or .tokens .jwt.algorithm) -}}
{{- fail "gateway.tokens or gateway.jwt is wanted: without any, the gateway listens on loopback only, where nobody reaches it" -}}
{{- end -}}
{{- if eq (int .port) (int .metricsPort) -}}
{{- fail (printf "gateway.port and gateway.metricsPort: wanted two ports, found %d for both" (int .port)) -}}
{{- end -}}
{{- include "tiderace.checkNames" $ -}}
{{- include "tiderace.checkQuantities" $ -}}
{{- range $topic, $options := .topics -}}
{{- if and $options.partitions (has $topic $.Values.service.topics) (ne (int64 $options.partitions) (int64 $.Values.service.partitions)) -}}
{{- fail (printf "gateway.topics.%s.partitions is %d, service.partitions is %d: who comes first would make the topic; leave out that of the gateway, or, if the program does not make the topic, take it out of service.topics" $topic (int64 $options.partitions) (int64 $.Values.service.partitions)) -}}
{{- end -}}
{{- end -}}
{{- if and .kafka.username (not .kafka.passwordSecret.name) -}}
{{- fail "gateway.kafka.passwordSecret.name is wanted: the Secret with the password of gateway.kafka.username" -}}
{{- end -}}
{{- include "tiderace.checkSecurity" (dict "of" "gateway.kafka" "protocol" $.Values.kafka.security.protocol "security" .kafka) -}}
{{- range .ingress.hosts -}}
{{- if and $.Values.gateway.ingress.enabled (hasPrefix "*" .) (not $.Values.gateway.allowedOrigins) -}}
{{- fail (printf "gateway.ingress.hosts has %s: name the addresses of its pages in gateway.allowedOrigins, for example https://a%s, since an origin has no * in front" . (trimPrefix "*" .)) -}}
{{- end -}}
{{- end -}}
{{- if and .jwt.algorithm (not (and .jwt.secret.name .jwt.secret.key)) -}}
{{- fail "gateway.jwt.secret is wanted: the name of a Secret, and the key in it that holds the key of the tokens" -}}
{{- end -}}
{{- if and .ingress.enabled (ne (len .ingress.hosts) (int .replicas)) -}}
{{- fail (printf "gateway.ingress.hosts: wanted one host a replica, that is %d, found %d: the numbers of a session are known to one gateway alone, so each has an address of its own" (int .replicas) (len .ingress.hosts)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
