{{/* The name label. */}}
{{- define "testero-proxy.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* The name of everything: the release's, with the chart's unless it is in there. 55 leaves room for -metrics. */}}
{{- define "testero-proxy.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride }}
{{- $full := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) }}
{{- default $full .Values.fullnameOverride | trunc 55 | trimSuffix "-" }}
{{- end }}

{{- define "testero-proxy.serviceAccountName" -}}
{{- $name := ternary (include "testero-proxy.fullname" .) "default" .Values.serviceAccount.create }}
{{- default $name .Values.serviceAccount.name }}
{{- end }}

{{/* What all objects of the release have; the test's pod, too, which is no proxy. */}}
{{- define "testero-proxy.commonLabels" -}}
app.kubernetes.io/name: {{ include "testero-proxy.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: testero
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "testero-proxy.labels" -}}
{{ include "testero-proxy.commonLabels" . }}
app.kubernetes.io/component: proxy
{{- end }}

{{- define "testero-proxy.selectorLabels" -}}
app.kubernetes.io/name: {{ include "testero-proxy.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: proxy
{{- end }}

{{- define "testero-proxy.image" -}}
{{- with .Values.image }}
{{- if .digest }}
{{- printf "%s@%s" .repository .digest }}
{{- else }}
{{- printf "%s:%s" .repository (default $.Chart.AppVersion .tag) }}
{{- end }}
{{- end }}
{{- end }}

{{/* What every pod here has to satisfy the "restricted" pod security standard. */}}
{{- define "testero-proxy.podSecurityContext" -}}
# The image's own user, 65532, or the one that OpenShift gives.
runAsNonRoot: true
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "testero-proxy.containerSecurityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop:
    - ALL
{{- end }}

{{/* What both kinds of monitors say of an endpoint. */}}
{{- define "testero-proxy.endpoint" -}}
port: metrics
path: /metrics
{{- with .interval }}
interval: {{ . }}
{{- end }}
{{- with .scrapeTimeout }}
scrapeTimeout: {{ . }}
{{- end }}
{{- end }}

{{/* The text of the configuration file. */}}
{{- define "testero-proxy.file" -}}
{{- $config := .Values.app.config }}
{{- if kindIs "map" $config }}
{{- $config = deepCopy $config }}
{{- /* Without quotes, helm reads off as false. */}}
{{- with $config.proxy }}
{{- range $key := list "access_log" "forwarded" }}
{{- if eq (toString (get $config.proxy $key)) "false" }}
{{- $_ := set $config.proxy $key "off" }}
{{- end }}
{{- end }}
{{- end }}
{{- toYaml $config }}
{{- else }}
{{- default (.Files.Get "files/config.yaml") $config }}
{{- end }}
{{- end }}

{{/* Its section proxy, in JSON; what is wrong in what must be there is refused, with its path. */}}
{{- define "testero-proxy.config" -}}
{{- $config := include "testero-proxy.file" . | fromYaml }}
{{- $proxy := $config.proxy }}
{{- if not (kindIs "map" $proxy) }}
{{- fail (printf "app.config: no mapping with a section proxy: %s" (default "" $config.Error)) }}
{{- end }}
{{- $wrong := list }}
{{- $ports := dict }}
{{- if kindIs "map" $proxy.listen }}
{{- $_ := set $ports "proxy.listen" $proxy.listen }}
{{- else }}
{{- $wrong = append $wrong "proxy.listen: expected a mapping" }}
{{- end }}
{{- $services := list }}
{{- if and $proxy.services (kindIs "slice" $proxy.services) }}
{{- $services = $proxy.services }}
{{- else }}
{{- $wrong = append $wrong "proxy.services: expected a list that is not empty" }}
{{- end }}
{{- $seen := dict }}
{{- range $number, $service := $services }}
{{- $at := printf "proxy.services[%d]" $number }}
{{- if not (kindIs "map" $service) }}
{{- $wrong = append $wrong (printf "%s: expected a mapping" $at) }}
{{- $service = dict }}
{{- else }}
{{- range $key := list "name" "domain" }}
{{- $value := get $service $key }}
{{- if not (kindIs "string" $value) }}
{{- $wrong = append $wrong (printf "%s.%s: expected a text" $at $key) }}
{{- else }}
{{- $same := printf "%s %s" $key (ternary (lower $value | trimSuffix ".") $value (eq $key "domain")) }}
{{- if hasKey $seen $same }}
{{- $wrong = append $wrong (printf "%s.%s: %s is there twice" $at $key $value) }}
{{- end }}
{{- $_ := set $seen $same true }}
{{- end }}
{{- end }}
{{- if and $service.hosts (kindIs "slice" $service.hosts) }}
{{- range $number, $host := $service.hosts }}
{{- $_ := set $ports (printf "%s.hosts[%d]" $at $number) $host }}
{{- end }}
{{- else }}
{{- $wrong = append $wrong (printf "%s.hosts: expected a list that is not empty" $at) }}
{{- end }}
{{- end }}
{{- end }}
{{- range $at, $host := $ports }}
{{- if not (kindIs "map" $host) }}
{{- $host = dict }}
{{- end }}
{{- if not (kindIs "string" $host.address) }}
{{- $wrong = append $wrong (printf "%s.address: expected a text" $at) }}
{{- end }}
{{- $port := ternary $host.port 0.0 (kindIs "float64" $host.port) }}
{{- if or (lt $port 1.0) (gt $port 65535.0) (ne $port (floor $port)) }}
{{- $wrong = append $wrong (printf "%s.port: expected a port from 1 to 65535" $at) }}
{{- end }}
{{- end }}
{{- if $wrong }}
{{- fail (printf "app.config: %s" (join "; " $wrong)) }}
{{- end }}
{{- if eq $proxy.listen.port 8000.0 }}
{{- fail "app.config: proxy.listen.port: 8000 is the port of the metrics" }}
{{- end }}
{{- toJson $proxy }}
{{- end }}

{{/* What contradicts itself is refused in words. */}}
{{- define "testero-proxy.check" -}}
{{- with .Values.app }}
{{- if and .service.nodePort (eq (toString .service.nodePort) (toString .data.service.nodePort)) (ne .service.type "ClusterIP")
      (ne .data.service.type "ClusterIP") }}
{{- fail "app.service.nodePort and app.data.service.nodePort are the same" }}
{{- end }}
{{- end }}
{{- if and .Values.httpRoute.enabled (not .Values.httpRoute.parentRefs) }}
{{- fail "httpRoute is on without parentRefs: a route belongs to a Gateway" }}
{{- end }}
{{- if and .Values.serviceMonitor.enabled .Values.podMonitor.enabled }}
{{- fail "serviceMonitor and podMonitor are both on: everything would be scraped and counted twice" }}
{{- end }}
{{- with .Values.autoscaling }}
{{- if and .enabled (gt (int .minReplicas) (int .maxReplicas)) }}
{{- fail "autoscaling.minReplicas is more than autoscaling.maxReplicas" }}
{{- end }}
{{- if and .enabled (not .targetCPUUtilizationPercentage) (not .targetMemoryUtilizationPercentage) (not .metrics) }}
{{- fail "autoscaling is on without any metric" }}
{{- end }}
{{- end }}
{{- end }}

{{/* The port of the metrics' Service: a headless one's is the pods'. */}}
{{- define "testero-proxy.metricsPort" -}}
{{- with .Values.app.data.service }}
{{- ternary 8000 .port (eq .type "ClusterIP") }}
{{- end }}
{{- end }}
