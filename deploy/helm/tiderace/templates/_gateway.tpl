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
allowed_origins = {{ toJson .allowedOrigins }}
queue_bytes = {{ toJson .queueBytes }}

[topics]
{{- range $topic, $options := .topics }}
{{ toJson $topic }} = { partitions = {{ $options.partitions }} }
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
key_file = "/etc/tiderace/jwt/{{ .secret.key }}"
{{- end }}
{{- with .issuer }}
issuer = {{ toJson . }}
{{- end }}
{{- with .audience }}
audience = {{ toJson . }}
{{- end }}
{{- end }}
{{- end }}
{{- with .limits }}

[limits]
{{- range $limit, $value := . }}
{{ $limit }} = {{ toJson $value }}
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Mistakes that a schema cannot see. */}}
{{- define "tiderace.checkGateway" -}}
{{- with .Values.gateway -}}
{{- if not (or .tokens .jwt.algorithm) -}}
{{- fail "gateway.tokens or gateway.jwt is wanted: without any, the gateway listens on loopback only, where nobody reaches it" -}}
{{- end -}}
{{- if and .jwt.algorithm (not (and .jwt.secret.name .jwt.secret.key)) -}}
{{- fail "gateway.jwt.secret is wanted: the name of a Secret, and the key in it that holds the key of the tokens" -}}
{{- end -}}
{{- if and .ingress.enabled (ne (len .ingress.hosts) (int .replicas)) -}}
{{- fail (printf "gateway.ingress.hosts: wanted one host a replica, that is %d, found %d: the numbers of a session are known to one gateway alone, so each has an address of its own" (int .replicas) (len .ingress.hosts)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
