// Package api reads pods from the Kubernetes API.
package api

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"time"
)

// The largest answer that is read: 1000 pods of 16 KiB are half of it.
const maxAnswer = 32 << 20

// Client asks one API server with a client certificate.
type Client struct {
	server string
	http   *http.Client
}

// Pod has the fields that are used here, named as in the API.
type Pod struct {
	Metadata struct {
		Namespace string `json:"namespace"`
		Name      string `json:"name"`
		UID       string `json:"uid"`
	} `json:"metadata"`
	Status struct {
		ContainerStatuses []struct {
			Name         string `json:"name"`
			RestartCount int    `json:"restartCount"`
			LastState    struct {
				Terminated *struct {
					Reason string `json:"reason"`
				} `json:"terminated"`
			} `json:"lastState"`
		} `json:"containerStatuses"`
	} `json:"status"`
}

// Flags declares the flags that say where the API server is and who asks. The function is to be called after flag.Parse.
func Flags() func() (*Client, error) {
	server := flag.String("server", "", "URL of the API server")
	authority := flag.String("certificate-authority", "", "PEM file of its authority's certificate")
	certificate := flag.String("client-certificate", "", "PEM file of the client's certificate")
	key := flag.String("client-key", "", "PEM file of the client's key")
	return func() (*Client, error) {
		pem, err := os.ReadFile(*authority)
		if err != nil {
			return nil, fmt.Errorf("--certificate-authority: %w", err)
		}
		roots := x509.NewCertPool()
		if !roots.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("--certificate-authority: no certificate in %s", *authority)
		}
		pair, err := tls.LoadX509KeyPair(*certificate, *key)
		if err != nil {
			return nil, fmt.Errorf("--client-certificate, --client-key: %w", err)
		}
		transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{pair}}}
		return &Client{*server, &http.Client{Transport: transport, Timeout: 10 * time.Second}}, nil
	}
}

// Pods lists the pods of a namespace, or of all if it is empty, that a label selector (may be empty) matches.
func (c *Client) Pods(ctx context.Context, namespace, selector string) ([]Pod, error) {
	path := "/api/v1/pods"
	if namespace != "" {
		path = "/api/v1/namespaces/" + url.PathEscape(namespace) + "/pods"
	}
	var list struct {
		Items []Pod `json:"items"`
	}
	err := Get(ctx, c.http, c.server+path+"?labelSelector="+url.QueryEscape(selector), &list)
	return list.Items, err
}

// Get reads a JSON answer into value. Any status but 200 is an error that has the answer's beginning.
func Get(ctx context.Context, client *http.Client, address string, value any) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s: %.200s", address, response.Status, body)
	}
	return json.Unmarshal(body, value)
}
