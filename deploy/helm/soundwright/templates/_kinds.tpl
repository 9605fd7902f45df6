{{- /*
One template for each kind of object. The context has `root`, the context of the chart; `object`; `name`, that of the object without
`soundwright-`; `replicas`, a range or nothing; `scaled`, whether an autoscaler chooses in
that range; and `gpu`, whether the object belongs to a worker that takes a GPU. A template
that prints nothing leaves the object out.
*/ -}}

{{- define "soundwright.Deployment" }}
{{- $values := .root.Values }}
{{- $pod := .object.spec.template.spec }}
{{- $container := first $pod.containers }}
{{- /* What the pods of all components have in common. */}}
{{- $patch := .root.Files.Get "k8s/base/pod.yaml" | fromYaml }}
{{- $shared := $patch.spec.template.spec }}
{{- $_ := set .object.spec "revisionHistoryLimit" $patch.spec.revisionHistoryLimit }}
{{- $_ := include "soundwright.extend" (dict "pod" $pod "by" $shared) }}
{{- if and .root.Values.modelCache.enabled (regexMatch "separation|generation" .name) }}
{{- $mount := .root.Files.Get "k8s/components/model-cache/mount.yaml" | fromYaml }}
{{- $_ := include "soundwright.extend" (dict "pod" $pod "by" $mount.spec.template.spec) }}
{{- end }}
{{- if and $values.gpu.resource (eq .name "separation") }}
{{- $_ := set $container "env" (append $container.env (dict "name" "SOUNDWRIGHT_SEPARATION_GPU_WORKERS" "value" "true")) }}
{{- end }}
{{- if .gpu }}
{{- $vendor := dir $values.gpu.resource }}
{{- $worker := .root.Files.Get "k8s/components/gpu/worker.yaml" | fromYaml }}
{{- $_ := include "soundwright.extend" (dict "pod" $pod "by" $worker.spec.template.spec) }}
{{- $_ := set $container.resources.limits $values.gpu.resource 1 }}
{{- $_ := set $pod "nodeSelector" (dict (printf "%s/gpu.present" $vendor) "true") }}
{{- $_ := set $pod "tolerations" (list (dict "key" (printf "%s/gpu" $vendor) "operator" "Exists" "effect" "NoSchedule")) }}
{{- /* A new pod can start only when an old one has ended: deploy/k8s/components/gpu. */}}
{{- $_ := set .object.spec.strategy "rollingUpdate" (dict "maxSurge" 0 "maxUnavailable" "100%") }}
{{- end }}
{{- if .scaled }}
{{- $_ := unset .object.spec "replicas" }}
{{- if not (or $values.keda.enabled (has .name (list "gateway" "library" "ingest"))) }}
{{- fail (printf "replicas.%s: an autoscaler needs KEDA. Set keda.enabled, or give min and max the same number." .name) }}
{{- end }}
{{- else }}
{{- $_ := set .object.spec "replicas" (int .replicas.min) }}
{{- end }}
{{- $metadata := .object.spec.template.metadata }}
{{- $_ := set $metadata.labels "app.kubernetes.io/part-of" "soundwright" }}
{{- $_ := set $metadata "annotations" (dict "checksum/settings" (include "soundwright.settings" .root | sha256sum)) }}
{{- include "soundwright.pod" (dict "root" .root "pod" $pod "suffix" (ternary $values.gpu.imageSuffix "" (not (not .gpu)))) }}
{{- toYaml .object }}
{{- end }}

{{- /* Add the containers' fields and the volumes of a patch (`by`) to a pod. */}}
{{- define "soundwright.extend" }}
{{- $container := first .pod.containers }}
{{- $more := first .by.containers }}
{{- range $list := list "env" "ports" "volumeMounts" }}
{{- if hasKey $more $list }}
{{- $_ := set $container $list (concat (get $container $list | default list) (get $more $list)) }}
{{- end }}
{{- end }}
{{- $_ := set .pod "volumes" (concat .pod.volumes (.by.volumes | default list)) }}
{{- $_ := merge $container $more }}
{{- $_ := merge .pod .by }}
{{- end }}

{{- /* Name the registry and the version of the images of Soundwright. */}}
{{- define "soundwright.pod" }}
{{- $image := .root.Values.image }}
{{- range $container := concat .pod.containers (.pod.initContainers | default list) }}
{{- if hasPrefix "soundwright-" $container.image }}
{{- $_ := set $container "image" (printf "%s%s:%s%s" $image.registry (trimSuffix "-worker" $container.image) ($image.tag | default $.root.Chart.AppVersion) $.suffix) }}
{{- end }}
{{- end }}
{{- with $image.pullSecrets }}
{{- $_ := set $.pod "imagePullSecrets" . }}
{{- end }}
{{- end }}

{{- define "soundwright.Job" }}
{{- include "soundwright.pod" (dict "root" .root "pod" .object.spec.template.spec "suffix" "") }}
{{- toYaml .object }}
{{- end }}

{{- define "soundwright.StatefulSet" }}
{{- if eq .name "nats" }}
{{- $replicas := int .root.Values.nats.replicas }}
{{- $_ := set .object.spec "replicas" $replicas }}
{{- if eq $replicas 1 }}
{{- /* One server, which is no cluster: servers of a cluster wait for each other. */}}
{{- $_ := set (first .object.spec.template.spec.containers) "args" (list "--config" "/config/server.conf") }}
{{- end }}
{{- $_ := set .object.spec.template.metadata "annotations" (dict "checksum/config" ((.root.Files.Glob "nats/*.conf").AsConfig | sha256sum)) }}
{{- end }}
{{- range .object.spec.volumeClaimTemplates }}
{{- include "soundwright.storage" (dict "root" $.root "claim" .) }}
{{- end }}
{{- toYaml .object }}
{{- end }}

{{- define "soundwright.PersistentVolumeClaim" }}
{{- include "soundwright.storage" (dict "root" .root "claim" .object) }}
{{- toYaml .object }}
{{- end }}

{{- define "soundwright.storage" }}
{{- with .root.Values.storageClass }}
{{- $_ := set $.claim.spec "storageClassName" . }}
{{- end }}
{{- end }}

{{- define "soundwright.HorizontalPodAutoscaler" }}
{{- if .scaled }}
{{- $_ := set .object.spec "minReplicas" (int .replicas.min) }}
{{- $_ := set .object.spec "maxReplicas" (int .replicas.max) }}
{{- toYaml .object }}
{{- end }}
{{- end }}

{{- define "soundwright.ScaledObject" }}
{{- if .scaled }}
{{- $behavior := .root.Files.Get "k8s/components/keda/behavior.yaml" | fromYaml }}
{{- $nats := .root.Files.Get "k8s/components/keda/nats.yaml" | fromYaml }}
{{- $_ := merge .object.spec $behavior.spec }}
{{- $_ := set .object.spec "minReplicaCount" (int .replicas.min) }}
{{- $_ := set .object.spec "maxReplicaCount" (int .replicas.max) }}
{{- range .object.spec.triggers }}
{{- $_ := set .metadata "account" $nats.data.account }}
{{- $_ := set .metadata "natsServerMonitoringEndpoint" ($.root.Values.nats.monitoring | default (printf "soundwright-nats.%s.svc.cluster.local:8222" $.root.Release.Namespace)) }}
{{- end }}
{{- toYaml .object }}
{{- end }}
{{- end }}

{{- define "soundwright.PodDisruptionBudget" }}
{{- if .gpu }}
{{- /* Pods that wait for a GPU are unavailable, so that `maxUnavailable` would stop `kubectl drain`. */}}
{{- $_ := unset .object.spec "maxUnavailable" }}
{{- $_ := set .object.spec "minAvailable" 1 }}
{{- end }}
{{- toYaml .object }}
{{- end }}

{{- define "soundwright.ConfigMap" }}
{{- $_ := set .object "data" (include "soundwright.settings" .root | fromYaml) }}
{{- toYaml .object }}
{{- end }}

{{- define "soundwright.settings" }}
{{- $settings := (.Files.Get "k8s/base/settings.yaml" | fromYaml).data }}
{{- if .Values.nats.enabled }}
{{- $_ := set $settings "SOUNDWRIGHT_NATS_URL" "tls://soundwright-nats:4222" }}
{{- if gt (int .Values.nats.replicas) 1 }}
{{- $_ := set $settings "SOUNDWRIGHT_NATS_REPLICA_COUNT" (toString .Values.nats.replicas) }}
{{- end }}
{{- end }}
{{- if .Values.minio.enabled }}
{{- $_ := set $settings "SOUNDWRIGHT_BLOBS_URL" "s3+http://soundwright-minio:9000/soundwright" }}
{{- end }}
{{- if .Values.ingress.enabled }}
{{- $_ := set $settings "SOUNDWRIGHT_PUBLIC_URL" (printf "https://%s" .Values.ingress.host) }}
{{- $_ := set $settings "SOUNDWRIGHT_TRUSTED_PROXY" "true" }}
{{- end }}
{{- range $name, $value := .Values.settings }}
{{- $_ := set $settings $name (toString $value) }}
{{- end }}
{{- range $name, $store := dict "SOUNDWRIGHT_NATS_URL" "nats" "SOUNDWRIGHT_BLOBS_URL" "minio" }}
{{- if not (get $settings $name) }}
{{- fail (printf "Set settings.%s, or %s.enabled for a server in the cluster." $name $store) }}
{{- end }}
{{- end }}
{{- toYaml $settings }}
{{- end }}

{{- define "soundwright.Ingress" }}
{{- $_ := set .object.spec "ingressClassName" .root.Values.ingress.className }}
{{- $_ := set (first .object.spec.tls) "hosts" (list .root.Values.ingress.host) }}
{{- $_ := set (first .object.spec.rules) "host" .root.Values.ingress.host }}
{{- toYaml .object }}
{{- end }}

{{- define "soundwright.NetworkPolicy" }}
{{- toYaml .object | replace "kubernetes.io/metadata.name: ingress-nginx" (printf "kubernetes.io/metadata.name: %s" .root.Values.ingress.namespace) | replace "kubernetes.io/metadata.name: monitoring" (printf "kubernetes.io/metadata.name: %s" .root.Values.monitoring.namespace) }}
{{- end }}

{{- define "soundwright.PriorityClass" }}
{{- if .root.Values.priorityClasses.enabled }}
{{- toYaml .object }}
{{- end }}
{{- end }}

{{- define "soundwright.Service" }}{{ toYaml .object }}{{ end }}
{{- define "soundwright.ServiceAccount" }}{{ toYaml .object }}{{ end }}
{{- define "soundwright.PodMonitor" }}{{ toYaml .object }}{{ end }}
{{- define "soundwright.PrometheusRule" }}{{ toYaml .object }}{{ end }}
