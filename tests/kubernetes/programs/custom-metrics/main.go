// custom-metrics answers the API group custom.metrics.k8s.io from Prometheus, for one metric of pods: that of the first
// custom rule of a prometheus-adapter values file, by that rule's own query.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"math"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"

	"testero/tests/kubernetes/programs/custom-metrics/api"
)

const group = "/apis/custom.metrics.k8s.io/v1beta1"

type object = map[string]any

// rule is what is used of a rule of the adapter.
type rule struct{ metric, series, query string }

func main() {
	listen := flag.String("listen", ":10241", "address to serve HTTPS on")
	certificate := flag.String("tls-cert-file", "", "PEM file of the certificate to serve with")
	key := flag.String("tls-private-key-file", "", "PEM file of its key")
	prometheus := flag.String("prometheus", "", "URL of Prometheus")
	values := flag.String("values", "", "values file for prometheus-adapter, of which the first custom rule is used")
	client := api.Flags()
	flag.Parse()
	text, err := os.ReadFile(*values)
	if err != nil {
		log.Fatalf("--values: %v", err)
	}
	adapter, err := parse(string(text))
	if err != nil {
		log.Fatalf("--values: %s: %v", *values, err)
	}
	kubernetes, err := client()
	if err != nil {
		log.Fatal(err)
	}
	log.Printf("%s is %s", adapter.metric, adapter.query)

	http.HandleFunc("GET /apis", func(w http.ResponseWriter, _ *http.Request) {
		version := object{"groupVersion": "custom.metrics.k8s.io/v1beta1", "version": "v1beta1"}
		answer(w, object{"kind": "APIGroupList", "apiVersion": "v1", "groups": []object{
			{"name": "custom.metrics.k8s.io", "versions": []object{version}, "preferredVersion": version}}})
	})
	http.HandleFunc("GET "+group, func(w http.ResponseWriter, _ *http.Request) {
		answer(w, object{"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": "custom.metrics.k8s.io/v1beta1",
			"resources": []object{{"name": "pods/" + adapter.metric, "singularName": "", "namespaced": true,
				"kind": "MetricValueList", "verbs": []string{"get"}}}})
	})
	http.HandleFunc("GET "+group+"/namespaces/{namespace}/pods/{pod}/{metric}", func(w http.ResponseWriter, r *http.Request) {
		items, err := adapter.items(r, kubernetes, *prometheus)
		if err != nil {
			log.Print(err)
			problem(w, http.StatusInternalServerError, "InternalError", err.Error())
		} else if len(items) == 0 {
			problem(w, http.StatusNotFound, "NotFound",
				fmt.Sprintf("the server could not find the metric %s for pods", r.PathValue("metric")))
		} else {
			answer(w, object{"kind": "MetricValueList", "apiVersion": "custom.metrics.k8s.io/v1beta1", "metadata": object{}, "items": items})
		}
	})
	log.Fatal(http.ListenAndServeTLS(*listen, *certificate, *key, nil))
}

// parse reads the rule by its keys. The file is the project's own; what is not as it is now is refused, not guessed.
func parse(text string) (rule, error) {
	series := regexp.MustCompile(`(?m)^\s*-?\s*seriesQuery: '([a-z_]+)\{`).FindStringSubmatch(text)
	metric := regexp.MustCompile(`(?m)^\s*as: ([a-z_]+)$`).FindStringSubmatch(text)
	// A folded block: the lines after it that are indented further.
	block := regexp.MustCompile(`(?m)^( *)metricsQuery: >-\n((?:\s+\S.*\n?)+)`).FindStringSubmatch(text)
	if series == nil || metric == nil || block == nil {
		return rule{}, fmt.Errorf("no seriesQuery, no name to be had (as) or no metricsQuery in a folded block")
	}
	var lines []string
	for line := range strings.Lines(block[2]) {
		if !strings.HasPrefix(line, block[1]+" ") {
			break
		}
		lines = append(lines, strings.TrimSpace(line))
	}
	return rule{metric[1], series[1], strings.Join(lines, " ")}, nil
}

// items is the metric of the pods that the request names: one, or those that its label selector matches if it is *.
func (a rule) items(r *http.Request, kubernetes *api.Client, prometheus string) ([]object, error) {
	namespace, pod := r.PathValue("namespace"), r.PathValue("pod")
	if r.PathValue("metric") != a.metric {
		return nil, nil
	}
	names := []string{pod}
	if pod == "*" {
		pods, err := kubernetes.Pods(r.Context(), namespace, r.URL.Query().Get("labelSelector"))
		if err != nil {
			return nil, err
		}
		names = names[:0]
		for _, each := range pods {
			names = append(names, each.Metadata.Name)
		}
	}
	if len(names) == 0 {
		return nil, nil
	}
	for i := range names {
		names[i] = regexp.QuoteMeta(names[i])
	}
	query := strings.NewReplacer(
		"<<.LabelMatchers>>", fmt.Sprintf("namespace=%q,pod=~%q", namespace, strings.Join(names, "|")),
		"<<.GroupBy>>", "pod",
		"<<.Series>>", a.series).Replace(a.query)
	var found struct {
		Data struct {
			Result []struct {
				Metric struct {
					Pod string `json:"pod"`
				} `json:"metric"`
				// A time in seconds and the value as a string.
				Value [2]any `json:"value"`
			} `json:"result"`
		} `json:"data"`
	}
	client := &http.Client{Timeout: 10 * time.Second}
	if err := api.Get(r.Context(), client, prometheus+"/api/v1/query?query="+url.QueryEscape(query), &found); err != nil {
		return nil, err
	}
	var items []object
	for _, each := range found.Data.Result {
		seconds, _ := each.Value[0].(float64)
		text, _ := each.Value[1].(string)
		value, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return nil, fmt.Errorf("value of %s: %w", each.Metric.Pod, err)
		}
		items = append(items, object{
			"describedObject": object{"kind": "Pod", "namespace": namespace, "name": each.Metric.Pod, "apiVersion": "/v1"},
			"metricName":      a.metric,
			"timestamp":       time.Unix(int64(seconds), 0).UTC().Format(time.RFC3339),
			"value":           fmt.Sprintf("%dm", int64(math.Round(value*1000))),
		})
	}
	return items, nil
}

func answer(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(value); err != nil {
		log.Print(err)
	}
}

func problem(w http.ResponseWriter, code int, reason, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	answer(w, object{"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "code": code, "message": message})
}
