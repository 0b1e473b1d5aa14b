package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

const (
	kubeconfigFile = "kubeconfig"
	readyLimit     = 2 * time.Minute
)

type object = map[string]any

// announce writes the kubeconfig once the server says that it is ready: that the file is there,
// whole, is the sign of it.
func announce(folder string, port int, token string) {
	url := fmt.Sprintf("https://%s:%d", address, port)
	deadline := time.Now().Add(readyLimit)
	for time.Now().Before(deadline) {
		authority, err := os.ReadFile(filepath.Join(folder, certificatesFolder, "apiserver.crt"))
		if err == nil && isReady(url, token, authority) {
			must(writeKubeconfig(folder, url, token, authority))
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	log.Fatalf("the API server is not ready after %s", readyLimit)
}

func isReady(url, token string, authority []byte) bool {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(authority)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}
	defer transport.CloseIdleConnections()
	request, err := http.NewRequest(http.MethodGet, url+"/readyz", nil)
	must(err)
	request.Header.Set("Authorization", "Bearer "+token)
	answer, err := (&http.Client{Transport: transport, Timeout: 5 * time.Second}).Do(request)
	if err != nil {
		return false
	}
	defer answer.Body.Close()
	return answer.StatusCode == http.StatusOK
}

// writeKubeconfig as JSON, which is YAML too; bytes become base64, as the format wants.
func writeKubeconfig(folder, url, token string, authority []byte) error {
	const name = "conformance"
	config := object{
		"apiVersion": "v1",
		"kind":       "Config",
		"clusters": []object{{"name": name, "cluster": object{
			"server": url, "certificate-authority-data": authority}}},
		"users": []object{{"name": "admin", "user": object{"token": token}}},
		"contexts": []object{{"name": name, "context": object{
			"cluster": name, "user": "admin", "namespace": "default"}}},
		"current-context": name,
	}
	text, err := json.MarshalIndent(config, "", "  ")
	if err != nil {
		return err
	}
	draft := filepath.Join(folder, kubeconfigFile+".new")
	if err := os.WriteFile(draft, text, 0o600); err != nil {
		return err
	}
	return os.Rename(draft, filepath.Join(folder, kubeconfigFile))
}
