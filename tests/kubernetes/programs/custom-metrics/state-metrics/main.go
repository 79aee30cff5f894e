// state-metrics is two of kube-state-metrics' metrics, by their names and labels: those that the alerts of
// k8s/monitoring/prometheusrule.yaml ask for.
package main

import (
	"flag"
	"fmt"
	"log"
	"net/http"
	"strings"

	"testero/tests/kubernetes/programs/custom-metrics/api"
)

func main() {
	listen := flag.String("listen", ":10240", "address to serve /metrics on")
	client := api.Flags()
	flag.Parse()
	kubernetes, err := client()
	if err != nil {
		log.Fatal(err)
	}
	http.HandleFunc("GET /metrics", func(w http.ResponseWriter, r *http.Request) {
		pods, err := kubernetes.Pods(r.Context(), "", "")
		if err != nil {
			log.Print(err)
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		w.Header().Set("Content-Type", "text/plain; version=0.0.4")
		fmt.Fprint(w, exposition(pods))
	})
	log.Fatal(http.ListenAndServe(*listen, nil))
}

// exposition is the pods' state in Prometheus' text format. None of the labels can have a character to be escaped.
func exposition(pods []api.Pod) string {
	var restarts, reasons strings.Builder
	restarts.WriteString("# TYPE kube_pod_container_status_restarts_total counter\n")
	reasons.WriteString("# TYPE kube_pod_container_status_last_terminated_reason gauge\n")
	for _, pod := range pods {
		for _, container := range pod.Status.ContainerStatuses {
			labels := fmt.Sprintf(`namespace="%s",pod="%s",uid="%s",container="%s"`,
				pod.Metadata.Namespace, pod.Metadata.Name, pod.Metadata.UID, container.Name)
			fmt.Fprintf(&restarts, "kube_pod_container_status_restarts_total{%s} %d\n", labels, container.RestartCount)
			if last := container.LastState.Terminated; last != nil {
				fmt.Fprintf(&reasons, "kube_pod_container_status_last_terminated_reason{%s,reason=\"%s\"} 1\n", labels, last.Reason)
			}
		}
	}
	return restarts.String() + reasons.String()
}
