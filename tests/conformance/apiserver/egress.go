package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
)

const (
	egressFile    = "egress.yaml"
	egressSocket  = "egress"
	egressSetting = `apiVersion: apiserver.k8s.io/v1beta1
kind: EgressSelectorConfiguration
egressSelections:
- name: cluster
  connection:
    proxyProtocol: HTTPConnect
    transport:
      uds:
        udsName: %q
`
)

// serveEgress stands for the network of the pods: whatever address the API server dials there, it
// reaches the asked port of this machine. Endpoints must not name loopback addresses, and no pod
// has any other here. https://kubernetes.io/docs/tasks/extend-kubernetes/setup-konnectivity/
func serveEgress(folder string) error {
	listener, err := listenIn(folder, egressSocket)
	if err != nil {
		return err
	}
	go func() { must(http.Serve(listener, http.HandlerFunc(connect))) }()
	setting := fmt.Sprintf(egressSetting, filepath.Join(folder, egressSocket))
	return os.WriteFile(filepath.Join(folder, egressFile), []byte(setting), 0o600)
}

func connect(answer http.ResponseWriter, request *http.Request) {
	_, port, err := net.SplitHostPort(request.Host)
	if request.Method != http.MethodConnect || err != nil {
		http.Error(answer, "only CONNECT host:port", http.StatusMethodNotAllowed)
		return
	}
	upstream, err := net.Dial("tcp", net.JoinHostPort(address, port))
	if err != nil {
		http.Error(answer, err.Error(), http.StatusServiceUnavailable)
		return
	}
	defer upstream.Close()
	client, buffered, err := http.NewResponseController(answer).Hijack()
	if err != nil {
		return
	}
	defer client.Close()
	if _, err := io.WriteString(client, "HTTP/1.1 200 OK\r\n\r\n"); err != nil {
		return
	}
	relay(client, buffered, upstream)
}

// relay ends as soon as either side does, so that a client that leaves is noticed by the server.
func relay(client net.Conn, buffered io.Reader, upstream net.Conn) {
	done := make(chan struct{}, 2)
	pass := func(to io.Writer, from io.Reader) {
		_, _ = io.Copy(to, from)
		done <- struct{}{}
	}
	go pass(upstream, buffered)
	go pass(client, upstream)
	<-done
}
