package main

import (
	"os"
	"testing"
)

func TestTheRecipesOwnRule(t *testing.T) {
	text, err := os.ReadFile("../../../../k8s/recipes/hpa-custom-metric/prometheus-adapter-values.yaml")
	if err != nil {
		t.Fatal(err)
	}
	got, err := parse(string(text))
	if err != nil {
		t.Fatal(err)
	}
	want := rule{"queue_length", "testero_ready", "sum(queue_length{<<.LabelMatchers>>}) by (<<.GroupBy>>) " +
		"or 0 * sum(<<.Series>>{<<.LabelMatchers>>}) by (<<.GroupBy>>)"}
	if got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}
