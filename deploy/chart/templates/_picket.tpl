{{/* The labels of all objects. */}}
{{- define "picket.labels" -}}
app.kubernetes.io/name: picket
{{- end }}

{{/* What selects the agents' pods, and no others. */}}
{{- define "picket.agentLabels" -}}
app.kubernetes.io/name: picket
app.kubernetes.io/component: agent
{{- end }}

{{/* The image of the agents. The two are not of one repository, so each has a tag and a digest of its own. */}}
{{- define "picket.image" -}}
{{- $image := ternary .Values.iptables .Values.image .Values.iptables.enabled -}}
{{- if $image.digest -}}
{{ $image.repository }}@{{ $image.digest }}
{{- else -}}
{{ $image.repository }}:{{ $image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end }}

{{/* The backend iptables needs an image that holds its programs, and no registry has one. */}}
{{- define "picket.needsPrograms" -}}
{{- $i := .Values.iptables -}}
{{- if and $i.enabled (not $i.tag) (not $i.digest) -}}
{{- fail "iptables.enabled: no registry has this image; make it (make image-iptables), load it on every node or push it to a registry of yours (iptables.repository), and name it; expected iptables.tag or iptables.digest" -}}
{{- end -}}
{{- if and (eq (.Values.flags.backend | default "") "iptables") (not $i.enabled) -}}
{{- fail "flags.backend: the image has no programs of iptables; expected iptables.enabled=true" -}}
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

{{/* What Prometheus asks must be reachable for it. Of: the name of the value that needs it, and metrics. */}}
{{- define "picket.needsAddress" -}}
{{- if not (last .).nodeAddress -}}
{{- fail (printf "%s: Prometheus can't reach an agent on the node's loopback; expected metrics.nodeAddress=true" (first .)) -}}
{{- end -}}
{{- end }}
