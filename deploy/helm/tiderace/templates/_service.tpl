{{/* Mistakes that a schema cannot see. */}}
{{- define "tiderace.checkService" -}}
{{- with .Values.kafka.security -}}
{{- include "tiderace.checkSecurity" (dict "of" "kafka.security" "protocol" .protocol "security" .) -}}
{{- end -}}
{{- with .Values.service -}}
{{- $resources := .resources | default dict -}}
{{- if .autoscaling.enabled -}}
{{- $most := int64 .autoscaling.maxReplicas -}}
{{- if gt $most (int64 .partitions) -}}
{{- fail (printf "service.autoscaling.maxReplicas is %d, but a topic of %d partitions (service.partitions) gives no more replicas work" $most (int64 .partitions)) -}}
{{- end -}}
{{- if gt (int64 .autoscaling.minReplicas) $most -}}
{{- fail (printf "service.autoscaling.minReplicas is %d, above maxReplicas, which is %d" (int64 .autoscaling.minReplicas) $most) -}}
{{- end -}}
{{- if and .autoscaling.cpuPercent (not (dig "requests" "cpu" "" $resources)) -}}
{{- fail "service.autoscaling.cpuPercent is of service.resources.requests.cpu, which is wanted, too (or cpuPercent: 0)" -}}
{{- end -}}
{{- end -}}
{{- with dig "limits" "memory" "" $resources -}}
{{- $state := mul (int64 $.Values.service.workers) (int64 $.Values.service.stateMemoryMiB) -}}
{{- /* Records wait in 512 MiB at most; 256 MiB are the program itself and its models. */ -}}
{{- $wanted := add $state 512 256 -}}
{{- if lt (include "tiderace.bytes" . | int64) (mul $wanted 1048576) -}}
{{- fail (printf "service.resources.limits.memory is %s, but %d workers with service.stateMemoryMiB %d, 512 MiB of records and 256 MiB for the program come to %dMi: raise the limit, or lower stateMemoryMiB" (include "tiderace.text" .) (int64 $.Values.service.workers) (int64 $.Values.service.stateMemoryMiB) $wanted) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
