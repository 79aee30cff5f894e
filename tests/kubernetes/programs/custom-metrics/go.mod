module testero/tests/kubernetes/programs/custom-metrics

go 1.25.0
