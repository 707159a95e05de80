{{/* The labels of all objects. */}}
{{- define "picket.labels" -}}
app.kubernetes.io/name: picket
{{- end }}

{{/* What selects the agents' pods, and no others. */}}
{{- define "picket.agentLabels" -}}
app.kubernetes.io/name: picket
app.kubernetes.io/component: agent
{{- end }}

{{/* The image of the agents. */}}
{{- define "picket.image" -}}
{{- $repository := ternary .Values.iptables.repository .Values.image.repository .Values.iptables.enabled -}}
{{- if .Values.image.digest -}}
{{ $repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ $repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end }}

{{/* The flags of the agents, as YAML: those that are set, and those that other values ask for. */}}
{{- define "picket.flags" -}}
{{- $flags := deepCopy .Values.flags -}}
{{- if and .Values.iptables.enabled (not (hasKey $flags "backend")) -}}
{{- $_ := set $flags "backend" "auto" -}}
{{- end -}}
{{- if and .Values.metrics.nodeAddress (not (hasKey $flags "health-addr")) -}}
{{- $_ := set $flags "health-addr" "[$(HOST_IP)]:9470" -}}
{{- end -}}
{{- toYaml $flags -}}
{{- end }}

{{/* Where the agents answer. */}}
{{- define "picket.healthAddr" -}}
{{- get (include "picket.flags" . | fromYaml) "health-addr" | default "127.0.0.1:9470" -}}
{{- end }}

{{/* The probes of the kubelet, which is on the same network: of the loopback by its address, else of the node's. */}}
{{- define "picket.probeTarget" -}}
{{- $addr := include "picket.healthAddr" . -}}
{{- $host := regexReplaceAll ":[0-9]+$" $addr "" | trimPrefix "[" | trimSuffix "]" -}}
{{- if or (hasPrefix "127." $host) (eq $host "::1") (eq $host "localhost") }}
host: {{ $host | quote }}
{{- end }}
port: {{ regexFind "[0-9]+$" $addr }}
{{- end }}

{{/* What Prometheus asks must be reachable for it. */}}
{{- define "picket.needsAddress" -}}
{{- if not .Values.metrics.nodeAddress -}}
{{- fail "metrics.podMonitor.enabled: Prometheus can't reach an agent on the node's loopback; expected metrics.nodeAddress=true" -}}
{{- end -}}
{{- end }}
