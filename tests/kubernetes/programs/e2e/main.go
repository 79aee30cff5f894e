// Kubernetes' own end-to-end specs of autoscaling as a program of their own, without the other thousands.
package main

import (
	"flag"
	"os"

	"github.com/onsi/ginkgo/v2"
	"github.com/onsi/gomega"

	_ "k8s.io/kubernetes/test/e2e/autoscaling"
	"k8s.io/kubernetes/test/e2e/framework"
	"k8s.io/kubernetes/test/e2e/framework/config"
	_ "k8s.io/kubernetes/test/e2e/framework/debug/init" // events and nodes in the log of a spec that fails
	_ "k8s.io/kubernetes/test/e2e/framework/node/init"  // without it the framework does not know which nodes take pods
)

// RunSpecs wants a *testing.T, of which it uses Fail alone; it returns the same.
type result struct{}

func (result) Fail() {}

func main() {
	config.CopyFlags(config.Flags, flag.CommandLine)
	framework.RegisterCommonFlags(flag.CommandLine)
	framework.RegisterClusterFlags(flag.CommandLine)
	flag.Parse()
	framework.AfterReadingAllFlags(&framework.TestContext)

	gomega.RegisterFailHandler(framework.Fail)
	suite, reporter := framework.CreateGinkgoConfig()
	if !ginkgo.RunSpecs(result{}, "autoscaling", suite, reporter) {
		os.Exit(1)
	}
}
