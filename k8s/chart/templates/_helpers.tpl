{{/* The name label. */}}
{{- define "testero.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* The name of everything: the release's, with the chart's unless it is in there. 54 leaves room for -headless. */}}
{{- define "testero.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride }}
{{- $full := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) }}
{{- default $full .Values.fullnameOverride | trunc 54 | trimSuffix "-" }}
{{- end }}

{{- define "testero.serviceAccountName" -}}
{{- $name := ternary (include "testero.fullname" .) "default" .Values.serviceAccount.create }}
{{- default $name .Values.serviceAccount.name }}
{{- end }}

{{/* What all objects of the release have; the test's pod, too, which is no consumer. */}}
{{- define "testero.commonLabels" -}}
app.kubernetes.io/name: {{ include "testero.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: testero
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "testero.labels" -}}
{{ include "testero.commonLabels" . }}
app.kubernetes.io/component: consumer
{{- end }}

{{- define "testero.selectorLabels" -}}
app.kubernetes.io/name: {{ include "testero.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: consumer
{{- end }}

{{- define "testero.image" -}}
{{- with .Values.image }}
{{- if .digest }}
{{- printf "%s@%s" .repository .digest }}
{{- else }}
{{- printf "%s:%s" .repository (default $.Chart.AppVersion .tag) }}
{{- end }}
{{- end }}
{{- end }}

{{/* Bytes of a quantity, or of a number, which YAML may have made a float: for variables that take no suffix. */}}
{{- define "testero.bytes" -}}
{{- $text := kindIs "string" . | ternary (toString .) (printf "%d" (int64 .)) }}
{{- $number := regexFind "^[0-9.]+" $text }}
{{- $factors := dict "" 1 "k" 1e3 "M" 1e6 "G" 1e9 "T" 1e12 "P" 1e15
      "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 "Ti" 1099511627776 "Pi" 1125899906842624 }}
{{- mulf (float64 $number) (float64 (get $factors (trimPrefix $number $text))) | ceil | int64 }}
{{- end }}

{{/* The variables that limit files: by what the user says, or else by whichever has the pod evicted first. */}}
{{- define "testero.diskEnv" -}}
{{- $container := get ((.Values.resources).limits | default dict) "ephemeral-storage" }}
{{- $volume := .Values.dataVolume.sizeLimit }}
{{- $byContainer := not (not $container) }}
{{- if and $container $volume }}
{{- $byContainer = le (include "testero.bytes" $container | int64) (include "testero.bytes" $volume | int64) }}
{{- end }}
{{- if ne (toString .Values.settings.limits.disk) "" }}
- name: HIGHFILELIM
  value: {{ include "testero.bytes" .Values.settings.limits.disk | quote }}
{{- else if and (not .Values.persistence.enabled) (or $container $volume) }}
- name: HIGHFILELIM
  {{- if $byContainer }}
  valueFrom:
    resourceFieldRef:
      containerName: testero
      resource: limits.ephemeral-storage
  {{- else }}
  value: {{ include "testero.bytes" $volume | quote }}
  {{- end }}
{{- with .Values.settings.diskReserve }}
- name: DISKRESERVE
  value: {{ . | quote }}
{{- end }}
{{- end }}
{{- end }}

{{/* The Secret of the token; empty without a token. */}}
{{- define "testero.tokenSecret" -}}
{{- if .Values.token.existingSecret }}
{{- .Values.token.existingSecret }}
{{- else if .Values.token.value }}
{{- include "testero.fullname" . }}-token
{{- end }}
{{- end }}

{{- define "testero.tokenVolume" -}}
secret:
  secretName: {{ include "testero.tokenSecret" . }}
  items:
    - key: {{ .Values.token.key }}
      path: token
  # The pod's user may be any.
  defaultMode: 0444
{{- end }}

{{/* What a monitor has to send when reads need the token. */}}
{{- define "testero.monitorAuthorization" -}}
{{- if .Values.token.reads -}}
authorization:
  type: Bearer
  credentials:
    name: {{ include "testero.tokenSecret" . }}
    key: {{ .Values.token.key }}
{{- end }}
{{- end }}

{{/* A probe of a path: by the kubelet, or by ourselves where it takes a token. */}}
{{- define "testero.probe" -}}
{{- if .root.Values.token.reads -}}
exec:
  command:
    - /testero
    - health
    - --url=http://127.0.0.1:8080{{ .path }}
{{- else -}}
httpGet:
  path: {{ .path }}
  port: http
{{- end }}
{{- end }}

{{/* What every pod here has to satisfy the "restricted" pod security standard. */}}
{{- define "testero.podSecurityContext" -}}
# The image's own user, 65532, or the one that OpenShift gives.
runAsNonRoot: true
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "testero.containerSecurityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop:
    - ALL
{{- end }}

{{/* What contradicts itself is refused in words. */}}
{{- define "testero.check" -}}
{{- with .Values.token }}
{{- if and .existingSecret .value }}
{{- fail "token.existingSecret and token.value are both set: which one counts?" }}
{{- end }}
{{- if and .reads (not .existingSecret) (not .value) }}
{{- fail "token.reads is on, and there is neither token.existingSecret nor token.value" }}
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
